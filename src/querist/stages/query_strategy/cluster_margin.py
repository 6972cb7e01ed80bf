"""Uncertain items, shared out over the clusters of the pool."""

from __future__ import annotations

import numpy as np

from querist.core.errors import SettingError
from querist.core.selection import place_in_group, top_k
from querist.core.types import Pool, Selection
from querist.stages.query_strategy.landmarks import pool_clusters


class ClusterMargin:
    """Takes the highest scores, `candidates` for each query, and asks for them in turn from the smallest cluster on.

    The pool is clustered once, into `clusters`, and the clusters are kept between rounds: k-means on a sample of 64
    items for each cluster in place of the paper's agglomerative clustering, which needs the square of the pool.
    A cluster is as large as its number of candidates; each gives its highest score first.

    Source: Citovsky, DeSalvo, Gentile, Karydas, Rajagopalan, Rostamizadeh and Kumar, Batch Active Learning at Scale,
        2021.
    Cost: O(n K d) for K clusters in the first round; O(n) in later ones.
    Memory: 16 n bytes, 64 K d floats and tiles.
    When: large batches; with small ones it differs little from asking for the highest scores.
    """

    needs = frozenset({"scores", "embeddings", "labeled_embeddings"})

    def __init__(self, *, clusters: int = 500, candidates: float = 10.0) -> None:
        if clusters < 1:
            raise SettingError(f"clusters = {clusters} of strategy cluster_margin must be at least 1")
        if candidates < 1:
            raise SettingError(
                f"candidates = {candidates} of strategy cluster_margin must be at least 1 for each query"
            )
        self.clusters, self.candidates = clusters, candidates

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        assert pool.scores is not None  # `needs` says so, ask() checked it
        clusters = pool_clusters(pool, self.clusters, rng)
        count = min(pool.n_items, int(np.ceil(self.candidates * batch_size)))
        chosen = top_k(pool.scores, count, rng)
        scores, cluster = pool.scores[chosen], clusters.pool[chosen]
        size = np.bincount(cluster)[cluster]
        turn = place_in_group(cluster, -scores, rng=rng)
        order = place_in_group(np.zeros(count), turn, size, cluster, rng=rng)
        picked = chosen[top_k(-order.astype(np.float64), batch_size, rng)]
        n_clusters = len(np.unique(clusters.pool[picked]))
        return Selection(
            picked,
            pool.scores_at(picked),
            thresholds={"score": float(scores.min()), "candidates": float(count), "clusters": float(n_clusters)},
            note=f"{count} highest scores of {pool.n_items}, down to {scores.min():.4g}; asked from {n_clusters} "
            f"of {clusters.n_clusters} clusters in turn, the smallest first.",
        )
