"""How sure a model must be to answer alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def threshold(curve: Sequence[Mapping[str, float]], risk: float) -> tuple[float, float] | None:
    """The confidence from which on answers are wrong at most as often as `risk`, and the share of items that reach it;
    None where no confidence promises it.

    `curve` holds coverage, threshold and `low`, the lower bound of accuracy among all items at least as sure; the bound
    decides, not the accuracy itself, which the luckiest threshold would have. El-Yaniv and Wiener, 2010.
    """
    kept = [point for point in curve if point["low"] >= 1 - risk]
    if not kept:
        return None
    widest = max(kept, key=lambda point: point["coverage"])
    return widest["threshold"], widest["coverage"]
