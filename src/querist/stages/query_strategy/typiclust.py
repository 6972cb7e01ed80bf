"""The most typical item of each part of the pool that has no label yet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import SettingError
from querist.core.selection import place_in_group, top_k
from querist.core.types import Embeddings, Indices, Pool, Scores, Selection
from querist.models.neighbours import Points, each_tile, of, rows_for
from querist.stages.query_strategy.distances import labeled_rows
from querist.stages.query_strategy.landmarks import Clusters, pool_clusters

MOST_MEMBERS = 4096
"""Items of a cluster that are compared with each other; of a larger one a random part stands for the others."""
DIGITS = 5


class TypiClust:
    """Clusters the pool and asks for the most typical item of each cluster, those without labels and larger ones first.

    As many clusters as labeled items and queries together, at most `max_clusters`. Typical means the least mean
    distance to the `neighbours` nearest items of the same cluster; of a cluster above 4,096 items a random 4,096 are
    looked at. k-means runs on a sample of 64 items for each cluster.

    Source: Hacohen, Dekel and Weinshall, Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets,
        2022.
    Cost: O(n K d) for K clusters, then the square of each asked cluster's size.
    Memory: 12 n bytes, 64 K d floats and one cluster's distances.
    When: the first few labels per class, with good embeddings; later it keeps asking what the model already knows.
    """

    needs = frozenset({"embeddings", "labeled_embeddings"})

    def __init__(self, *, max_clusters: int = 500, neighbours: int = 20) -> None:
        if max_clusters < 1 or neighbours < 1:
            raise SettingError(
                f"max_clusters = {max_clusters} and neighbours = {neighbours} of strategy typiclust must be at least 1"
            )
        self.max_clusters, self.neighbours = max_clusters, neighbours

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        assert pool.embed is not None  # `needs` says so, ask() checked it
        n_labeled = len(labeled_rows(pool, pool.embed(slice(0, 1)).shape[1]))
        clusters = pool_clusters(pool, min(n_labeled + batch_size, self.max_clusters), rng)
        sizes = clusters.sizes()
        turns = take_turns(clusters, batch_size, rng)
        members = members_of(clusters.pool, clusters.n_clusters)
        best = {}
        for cluster, count in zip(*np.unique(turns, return_counts=True), strict=True):
            own = members[cluster]
            if len(own) > MOST_MEMBERS:
                own = np.sort(rng.choice(own, max(MOST_MEMBERS, count), replace=False))
            spread = mean_distances(pool.embed(own), self.neighbours)
            best[cluster] = iter(own[top_k(-spread, int(count), rng)])
        picked = np.array([next(best[cluster]) for cluster in turns], dtype=np.intp)
        n_new = int((np.bincount(clusters.labeled, minlength=clusters.n_clusters)[np.unique(turns)] == 0).sum())
        return Selection(
            picked,
            pool.scores_at(picked),
            thresholds={"clusters": float(clusters.n_clusters), "clusters_without_labels": float(n_new)},
            note=f"The most typical items of {len(best)} of {clusters.n_clusters} clusters, {n_new} of them without "
            "any label so far.",
            reasons=[f"typical of {sizes[cluster]} similar items" for cluster in turns],
        )


def take_turns(clusters: Clusters, batch_size: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """(batch_size,) the cluster that gives each pick: fewest labels first, then larger; each gives one in a turn."""
    sizes = clusters.sizes()
    known = np.bincount(clusters.labeled, minlength=len(sizes))
    place = place_in_group(np.zeros(len(sizes)), known, -sizes, rng=rng)
    in_order = np.empty_like(place)
    in_order[place] = np.arange(len(place))
    turns: list[int] = []
    turn = 0
    while len(turns) < batch_size:
        turns += in_order[sizes[in_order] > turn].tolist()
        turn += 1
    return np.array(turns[:batch_size], dtype=np.intp)


def members_of(cluster: NDArray[np.intp], n_clusters: int) -> list[Indices]:
    """The items of each cluster, in the pool's order."""
    order = np.argsort(cluster, kind="stable")
    return np.split(order, np.cumsum(np.bincount(cluster, minlength=n_clusters))[:-1])


def mean_distances(rows: Embeddings, neighbours: int) -> Scores:
    """(m,) mean distance of each row to its nearest others, as many as `neighbours`; 0 for one alone.

    Rounded to five digits of the largest, so that twins are equally typical.
    """
    k = min(neighbours, len(rows) - 1)
    if k == 0:
        return np.zeros(len(rows))
    to = Points(rows)
    found = np.zeros(len(rows))

    def work(at: slice, part: Embeddings) -> None:
        squared = to.squared(part)
        squared[np.arange(len(part)), np.arange(at.start, at.stop)] = np.inf
        nearest = np.partition(squared, k - 1, axis=1)[:, :k]
        found[at] = np.sqrt(nearest).mean(axis=1)

    each_tile(of(rows), len(rows), work, tile_rows=rows_for(len(to)))
    largest = found.max()
    return np.round(found / largest, DIGITS) * largest if largest > 0 else found
