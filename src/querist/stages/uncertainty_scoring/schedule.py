"""Weights of measures that move from round to round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def weights_at(measures: Mapping[str, float | Sequence[float]], share: float) -> dict[str, float]:
    """The weights when `share` (0 to 1) of the way is behind: a number stays, [start, end] moves in a straight line."""
    return {
        name: float(weight) if isinstance(weight, int | float) else weight[0] + share * (weight[1] - weight[0])
        for name, weight in measures.items()
    }


def share_done(round: int, horizon: int, labels: int, budget_left: int | None) -> float:
    """From 0 to 1: the share of the budget that is spent; without one, of `horizon` rounds (the first one is 1)."""
    if budget_left is None:
        return min(max(round - 1, 0) / horizon, 1.0)
    return labels / (labels + budget_left) if labels + budget_left else 1.0
