"""Unsure and varied: k-means over the most uncertain items."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import SettingError
from querist.core.selection import place_in_group, top_k
from querist.core.types import Indices, Pool, Scores, Selection
from querist.models.clusters import cluster_all, cluster_items
from querist.stages.query_strategy.candidates import choose_candidates

QUERIES_PER_CLUSTER = 6
"""As 300 queries in 50 clusters. One query for each cluster over-samples outliers: each has a cluster of its own."""
LEAST_CLUSTERS = 10
TOLERANCE = 1e-5
"""Distances this close count as equal, so that rounding does not decide which of two twins is the nearer."""


Quota = Literal["even", "proportional"]


class KMeansDiversity:
    """Clusters the most uncertain items and asks for the most uncertain one near each centre.

    `clusters` is a sixth of the batch size unless set, but at least 10 or the batch size. `candidates` is a number,
    "auto" (see choose_candidates) or "pool"; the whole pool is clustered through a sample of 64 items a cluster.
    `weighted` lets uncertain items draw the centres nearer. With `quota` "even" each cluster gives as many items,
    with "proportional" as many as its share of the candidates.

    Source: Zhdanov, Diverse mini-batch Active Learning, 2019.
    Cost: O(n), and O(m K d) for K clusters of m candidates, which the batch size bounds.
    Memory: m d floats twice; 16 n bytes.
    When: almost always, as margin alone but with fewer repeats in a batch; redundant pools and large batches gain most.
    """

    needs = frozenset({"scores", "embeddings"})

    def __init__(
        self,
        *,
        clusters: int | None = None,
        candidates: int | Literal["auto", "pool"] = "auto",
        weighted: bool = False,
        quota: Quota = "even",
    ) -> None:
        if clusters is not None and clusters < 1:
            raise SettingError(f"clusters = {clusters} of strategy kmeans must be at least 1")
        if candidates not in ("auto", "pool") and (isinstance(candidates, str) or candidates < 1):
            raise SettingError(f'candidates = {candidates!r} of strategy kmeans must be "auto", "pool" or at least 1')
        if quota not in get_args(Quota):
            raise SettingError(f'quota = {quota!r} of strategy kmeans must be "even" or "proportional"')
        self.clusters, self.candidates = clusters, candidates
        self.weighted, self.quota = weighted, quota

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        assert pool.scores is not None  # `needs` says so, ask() checked it
        assert pool.embed is not None
        count = None if self.candidates == "auto" else pool.n_items if self.candidates == "pool" else self.candidates
        chosen = choose_candidates(pool, batch_size, rng, count=count)
        scores = pool.scores[chosen.indices]
        n_clusters = min(self.clusters or default_clusters(batch_size), len(scores))
        weights = _weights(scores) if self.weighted else None
        if self.candidates == "pool":
            cluster, distance = cluster_all(pool.embed, pool.n_items, n_clusters, rng, weights=weights)
        else:
            cluster, distance = cluster_items(pool.embed(chosen.indices), n_clusters, rng, weights=weights)
        best = round_robin(scores, cluster, distance, batch_size, rng, quota=self.quota)
        picked = chosen.indices[best]
        share = "round by round" if self.quota == "even" else "by the size of the clusters"
        return Selection(
            picked,
            pool.scores[picked],
            thresholds={**chosen.thresholds, "clusters": float(n_clusters)},
            note=f"{chosen.note}, in {n_clusters} clusters: the most uncertain near each centre, {share}.",
            reasons=stands_for(cluster, best),
        )


def stands_for(cluster: NDArray[np.integer], picked: Indices, kind: str = "unsure ") -> list[str]:
    """For each pick, how many of the candidates it stands for, which are items of this kind."""
    sizes = np.bincount(cluster)[cluster[picked]]
    return [f"one of {size} similar {kind}items" if size > 1 else f"like no other {kind}item" for size in sizes]


def _weights(scores: Scores) -> Scores | None:
    """(n,) weights of at least 0; None where no item is uncertain, as then none counts for more."""
    weights = scores - min(float(scores.min()), 0.0)
    return weights if weights.any() else None


def default_clusters(batch_size: int) -> int:
    return max(min(batch_size, LEAST_CLUSTERS), -(-batch_size // QUERIES_PER_CLUSTER))


def round_robin(
    scores: Scores,
    cluster: NDArray[np.integer],
    distance: Scores,
    batch_size: int,
    rng: np.random.Generator,
    *,
    quota: Quota = "even",
) -> NDArray[np.intp]:
    """(batch_size,) items: each cluster in turn gives its best, clusters with the higher score first.

    With the quota "proportional" a cluster of twice the size has its turn twice as often (Webster's method).

    Inside a cluster the half nearer to the centre comes before the other, and the higher score first in each half.
    """
    middle = place_in_group(cluster, distance, rng=rng) == (np.bincount(cluster)[cluster] - 1) // 2
    reach = np.zeros(cluster.max() + 1)
    reach[cluster[middle]] = distance[middle] * (1 + TOLERANCE)
    far = distance > reach[cluster]
    turn = place_in_group(cluster, far, -scores, rng=rng)
    if quota == "proportional":
        turn = (turn + 0.5) / np.bincount(cluster)[cluster]
    order = place_in_group(np.zeros(len(scores)), turn, -scores, rng=rng)
    return top_k(-order.astype(np.float64), batch_size, rng)
