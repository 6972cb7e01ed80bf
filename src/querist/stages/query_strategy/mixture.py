"""Several strategies, each with a share of the batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from querist.core.errors import SettingError
from querist.core.types import Pool, Selection
from querist.stages.query_strategy.parts import Part, only, part
from querist.stages.query_strategy.shares import draw_counts, take_turns

EXPLORE = {"uncertainty": 0.9, "random": 0.1}


class Mixture:
    """Shares the batch among other strategies, by default 0.9 by uncertainty and 0.1 at random.

    `of` gives each strategy its share: {margin = 0.7, random = 0.3}; with settings of its own as
    {kmeans = {share = 0.7, clusters = 20}, random = 0.3}. Shares count in proportion to their sum, and hold on
    average however small the batch. Each strategy chooses from what those before it have left, so nothing is asked
    twice, and the order keeps the shares in every first part of the batch.

    Source: Settles, 2009, section 2 (exploration beside exploitation); as epsilon-greedy sampling.
    Cost: the sum of its parts'.
    Memory: the most of its parts', and a copy of the scores and probabilities of the pool.
    When: a random share measures what the others gain and finds what the model is sure of and wrong about; it costs
        that share of the batch where the other strategy is right.
    """

    def __init__(self, *, of: Mapping[str, Any] = EXPLORE) -> None:
        if not of:
            raise SettingError("of = {} of strategy mixture names no strategy; give {margin = 0.7, random = 0.3}")
        self.shares: list[float] = []
        self.parts: list[Part] = []
        for name, given in of.items():
            settings = dict(given) if isinstance(given, Mapping) else {"share": given}
            share = settings.pop("share", None)
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < np.inf:
                raise SettingError(f"share = {share!r} of {name!r} in strategy mixture must be a number above 0")
            self.shares.append(float(share))
            self.parts.append(part(name, settings))
        self.needs = frozenset().union(*(one.needs for one in self.parts))
        self.spares = frozenset().union(*(one.spares for one in self.parts))  # a part that needs it says so itself

    def bytes_needed(self, n_items: int, n_dims: int, n_classes: int, batch_size: int) -> int:
        return max(one.bytes_needed(n_items, n_dims, n_classes, batch_size) for one in self.parts)

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        counts = draw_counts(batch_size, self.shares, rng)
        left = np.arange(pool.n_items)
        picked: list[np.intp] = []
        reasons: list[str] = []
        notes: list[str] = []
        thresholds: dict[str, float] = {}
        for one, count in zip(self.parts, counts.tolist(), strict=True):
            if not count:
                continue
            chosen = one.ask(pool if len(left) == pool.n_items else only(pool, left), count, rng)
            picked += left[chosen.indices].tolist()
            left = np.delete(left, chosen.indices)
            said = chosen.reasons or [""] * count
            reasons += [f"{why}; asked by {one.name}" if why else f"asked by {one.name}" for why in said]
            thresholds |= {f"{one.name}.{key}": value for key, value in chosen.thresholds.items()}
            notes.append(f"{count} by {one.name}: {chosen.note or 'no word from it.'}")
        order = take_turns(counts, rng)
        indices = np.array(picked, dtype=np.intp)[order]
        return Selection(
            indices,
            pool.scores_at(indices),
            thresholds=thresholds,
            note=" ".join(notes),
            reasons=[reasons[i] for i in order],
        )
