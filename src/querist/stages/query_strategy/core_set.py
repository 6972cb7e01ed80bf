"""A batch that leaves no item of the pool far from a labeled one."""

from __future__ import annotations

import numpy as np

from querist.core.errors import SettingError
from querist.core.types import Pool, Selection
from querist.stages.query_strategy.distances import labeled_rows, nearest_labeled
from querist.stages.query_strategy.farthest import Worth, begin, farthest_first


class CoreSet:
    """Asks for the item farthest from everything labeled or asked so far, again and again (k-center greedy).

    `outliers` is the share of the pool that the cover may leave out: at each pick that many of the farthest items are
    passed over. Without any label the first pick is the item in the middle.

    Source: Sener and Savarese, Active Learning for Convolutional Neural Networks: A Core-Set Approach, 2018.
    Cost: O(n l d) at most, with l labeled items, and mostly a quarter of it: the rest is left where it cannot matter.
        Later rounds keep the distances and look at the 1,024 farthest items, O(l d), or, where that does not decide, at
        all: O(n k d) for each round since.
    Memory: 40 n bytes and tiles.
    When: few classes and good embeddings; in the study below random on most sets.
    """

    needs = frozenset({"embeddings", "labeled_embeddings"})

    def __init__(self, *, outliers: float = 0.0) -> None:
        if not 0 <= outliers < 1:
            raise SettingError(f"outliers = {outliers} of strategy core_set must be a share from 0 to below 1")
        self.outliers = outliers

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        assert pool.embed is not None  # `needs` says so, ask() checked it
        near, late = nearest_labeled(pool)
        labeled = labeled_rows(pool, pool.embed(slice(0, 1)).shape[1])
        left_out = int(self.outliers * pool.n_items)
        start, near, points = begin(pool.embed, near, labeled, rng)
        worth = Worth(lambda squared, at, number: squared, left_out=left_out)
        picked, squared = farthest_first(pool.embed, near, points, batch_size, worth, rng, start=start, late=late)
        far = np.sqrt(squared)
        reach = float(far[np.isfinite(far)].min(initial=np.inf))
        return Selection(
            picked,
            pool.scores_at(picked),
            thresholds={"radius": reach} if np.isfinite(reach) else {},
            note=_note(batch_size, pool.n_items, reach, left_out),
            reasons=[_reason(distance) for distance in far],
        )


def _note(batch_size: int, n_items: int, reach: float, left_out: int) -> str:
    spared = f", {left_out} farthest items passed over" if left_out else ""
    return (
        f"The {batch_size} of {n_items} items that lie farthest from all labeled and asked ones{spared}; "
        f"the last one was {reach:.3g} away."
    )


def _reason(distance: float) -> str:
    if np.isinf(distance):
        return "nearest to the middle of the pool"
    return f"{distance:.3g} from the nearest labeled or asked item"
