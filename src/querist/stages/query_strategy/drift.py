"""Unsure and unlike the past: what a drift round asks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import SettingError
from querist.core.selection import top_k
from querist.core.types import Embeddings, Indices, Pool, Selection
from querist.models.clusters import cluster_items
from querist.stages.query_strategy.dal import unlike_labeled
from querist.stages.query_strategy.distances import labeled_rows
from querist.stages.query_strategy.kmeans import default_clusters, round_robin

MOST_ROWS = 10_000
CANDIDATES_PER_QUERY = 4
"""What comes with drift is little, so a wide choice would be all of it, and nothing would be weighed."""
MEASURED = "drawn at random from what has drifted, to measure the model there"


class Drift:
    """Asks for the highest score x chance of being new, spread over clusters of the new items.

    New are the items numbered `since` or higher, and a logistic model tells them from all before and from the labeled
    ones; without `since` the whole pool is new to what is labeled. The items numbered `measure` are asked in any case.
    Where too few items are new, the others follow.

    Source: Gissin and Shalev-Shwartz, Discriminative Active Learning, 2019, for the chance; Lopez-Paz and Oquab,
        Revisiting Classifier Two-Sample Tests, 2017, for its meaning.
    Cost: O(n d), one small fit, and k-means over 4 items a query.
    Memory: 24 n bytes and two samples of 10,000 embeddings.
    When: an alarm said that the data drift, which opens such a round by itself. As a strategy of every round it asks
        like `dal`, weighed by uncertainty.
    """

    needs = frozenset({"scores", "embeddings", "labeled_embeddings"})

    def __init__(self, *, since: int | None = None, measure: Sequence[int] = ()) -> None:
        if since is not None and since < 0:
            raise SettingError(f"since = {since} of strategy drift must be at least 0")
        self.since, self.measure = since, np.array(measure, dtype=np.intp)

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        assert pool.scores is not None  # `needs` says so, ask() checked it
        assert pool.embed is not None
        new, past = self._sides(pool, rng)
        sample = _some(np.flatnonzero(new), rng)
        unlike = unlike_labeled(pool.embed, pool.n_items, past, pool.embed(sample))
        chance = 1 / (1 + np.exp(-unlike))
        value = chance * (pool.scores - min(float(pool.scores.min()), 0.0))
        value[new] += float(value.max()) + 1  # whatever is new comes before whatever is not
        ids = np.arange(pool.n_items) if pool.ids is None else pool.ids
        measured = np.flatnonzero(np.isin(ids, self.measure))[:batch_size]
        value[measured] = -1
        chosen = self._spread(pool, value, int((new & (value >= 0)).sum()), batch_size - len(measured), rng)
        picked = np.concatenate([measured, chosen])
        return Selection(
            picked,
            pool.scores_at(picked),
            thresholds={"new": float(new.sum()), **({} if self.since is None else {"since": float(self.since)})},
            note=f"{len(chosen)} items that are unsure and unlike the past among {int(new.sum())} new ones, and "
            f"{len(measured)} of these at random.",
            reasons=[MEASURED] * len(measured) + [f"new with a chance of {chance[i]:.2f}" for i in chosen],
        )

    def _sides(self, pool: Pool, rng: np.random.Generator) -> tuple[NDArray[np.bool_], Embeddings]:
        """(n_items,) which are new, and embeddings of the past."""
        assert pool.embed is not None  # __call__ asked for it
        labeled = labeled_rows(pool, pool.embed(slice(0, 1)).shape[1])
        if self.since is None or pool.ids is None:
            return np.ones(pool.n_items, dtype=bool), labeled
        new = pool.ids >= self.since
        if pool.labeled_ids is not None:
            labeled = labeled[pool.labeled_ids < self.since]
        return new, np.concatenate([labeled, pool.embed(_some(np.flatnonzero(~new), rng))])

    def _spread(self, pool: Pool, value: NDArray[np.floating], n_new: int, k: int, rng: np.random.Generator) -> Indices:
        """(k,) of the highest values, one near each centre in turn."""
        assert pool.embed is not None  # __call__ asked for it
        if k == 0:
            return np.empty(0, dtype=np.intp)
        best = top_k(value, max(k, min(CANDIDATES_PER_QUERY * k, n_new)), rng)
        if len(best) == k:
            return best
        best = np.sort(best)
        cluster, distance = cluster_items(pool.embed(best), min(default_clusters(k), len(best)), rng)
        return best[round_robin(value[best], cluster, distance, k, rng)]


def _some(at: Indices, rng: np.random.Generator) -> Indices:
    return at if len(at) <= MOST_ROWS else np.sort(rng.choice(at, MOST_ROWS, replace=False))
