"""Unsure and varied: k-means over the most uncertain items."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import SettingError
from querist.core.selection import place_in_group, top_k
from querist.core.types import Pool, Scores, Selection
from querist.models.clusters import cluster_items
from querist.stages.query_strategy.candidates import choose_candidates

QUERIES_PER_CLUSTER = 6
"""As 300 queries in 50 clusters. One query for each cluster over-samples outliers: each has a cluster of its own."""
LEAST_CLUSTERS = 10
TOLERANCE = 1e-5
"""Distances this close count as equal, so that rounding does not decide which of two twins is the nearer."""


class KMeansDiversity:
    """Clusters the candidates and asks for the most uncertain item near each centre. Zhdanov, 2019.

    `clusters` is a sixth of the batch size unless set, but at least 10 or the batch size; `candidates` is a number or
    "auto" (see choose_candidates).
    """

    needs = frozenset({"scores", "embeddings"})

    def __init__(self, *, clusters: int | None = None, candidates: int | Literal["auto"] = "auto") -> None:
        if clusters is not None and clusters < 1:
            raise SettingError(f"clusters = {clusters} of strategy kmeans must be at least 1")
        if candidates != "auto" and (isinstance(candidates, str) or candidates < 1):
            raise SettingError(f'candidates = {candidates!r} of strategy kmeans must be "auto" or at least 1')
        self.clusters = clusters
        self.candidates = candidates

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        assert pool.scores is not None  # `needs` says so, ask() checked it
        assert pool.embed is not None
        count = None if self.candidates == "auto" else self.candidates
        chosen = choose_candidates(pool, batch_size, rng, count=count)
        n_clusters = min(self.clusters or default_clusters(batch_size), len(chosen.indices))
        cluster, distance = cluster_items(pool.embed(chosen.indices), n_clusters, rng)
        picked = chosen.indices[round_robin(pool.scores[chosen.indices], cluster, distance, batch_size, rng)]
        return Selection(
            picked,
            pool.scores[picked],
            thresholds={**chosen.thresholds, "clusters": float(n_clusters)},
            note=f"{chosen.note}, in {n_clusters} clusters: the most uncertain near each centre, round by round.",
        )


def default_clusters(batch_size: int) -> int:
    return max(min(batch_size, LEAST_CLUSTERS), -(-batch_size // QUERIES_PER_CLUSTER))


def round_robin(
    scores: Scores, cluster: NDArray[np.integer], distance: Scores, batch_size: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """(batch_size,) items: each cluster in turn gives its best, clusters with the higher score first.

    Inside a cluster the half nearer to the centre comes before the other, and the higher score first in each half.
    """
    middle = place_in_group(cluster, distance, rng=rng) == (np.bincount(cluster)[cluster] - 1) // 2
    reach = np.zeros(cluster.max() + 1)
    reach[cluster[middle]] = distance[middle] * (1 + TOLERANCE)
    far = distance > reach[cluster]
    turn = place_in_group(cluster, far, -scores, rng=rng)
    order = place_in_group(np.zeros(len(scores)), turn, -scores, rng=rng)
    return top_k(-order.astype(np.float64), batch_size, rng)
