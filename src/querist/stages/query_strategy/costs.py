"""Answers that differ in price: score per cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from querist.core.checks import check_scores
from querist.core.errors import SettingError, ShapeError
from querist.core.types import Pool, Scores, Selection
from querist.stages.query_strategy.ask import ask
from querist.stages.query_strategy.parts import part


class PerCost:
    """Asks what another strategy would ask if each item's score were what one unit of its cost buys.

    `of` is the strategy, any that ranks by scores ("uncertainty", "kmeans", "entropy"), and `params` are its settings.
    The pool must say what each answer costs.

    Source: Settles et al., 2008; Donmez and Carbonell, 2008.
    Cost: O(n) beside the other strategy's.
    Memory: 8 n bytes beside the other strategy's.
    When: prices differ much from item to item and are known before; with one price it changes nothing, and where
        long, expensive items are the informative ones it keeps asking for short, empty ones.
    """

    def __init__(self, *, of: str = "uncertainty", params: Mapping[str, Any] | None = None) -> None:
        self.part = part(of, params or {})
        if "scores" not in self.part.strategy.needs:
            raise SettingError(f"of = {of!r} of strategy per_cost does not rank by scores; choose one that does")
        self.needs = self.part.needs | {"costs"}
        self.spares = self.part.spares

    def bytes_needed(self, n_items: int, n_dims: int, n_classes: int, batch_size: int) -> int:
        return self.part.bytes_needed(n_items, n_dims, n_classes, batch_size)

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        seen = self.part.view(pool)
        assert seen.scores is not None  # `needs` says so, ask() checked it
        assert pool.costs is not None
        rates = score_per_cost(seen.scores, pool.costs)
        chosen = ask(self.part.strategy, replace(seen, scores=rates), batch_size, rng)
        costs = pool.costs[chosen.indices]
        said = chosen.reasons or [""] * batch_size
        return replace(
            chosen,
            scores=seen.scores[chosen.indices],
            thresholds={**chosen.thresholds, "cost": float(costs.sum())},
            note=f"By score per cost, {costs.sum():.4g} in all: {chosen.note}",
            reasons=[
                f"{why}; costs {cost:.3g}" if why else f"costs {cost:.3g}"
                for why, cost in zip(said, costs, strict=True)
            ],
        )


def score_per_cost(scores: Scores, costs: Scores) -> Scores:
    """(n_items,) score for each unit of cost. Scores below 0 are moved up so that the least one is 0.

    Raises ShapeError on a cost that is not above 0.
    """
    priced = check_scores(costs, n_items=len(scores))
    if not (priced > 0).all():
        item = int(np.flatnonzero(~(priced > 0))[0])
        raise ShapeError(f"costs must be above 0, got {priced[item]} for item {item}")
    rates: Scores = (scores - min(float(scores.min(initial=0.0)), 0.0)) / priced
    return rates
