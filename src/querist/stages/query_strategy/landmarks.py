"""A sample of the space that stays the same while its items are labeled, and clusters drawn from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from querist.core.checks import blocks
from querist.core.hashing import key_of, unit_interval
from querist.core.types import Embeddings, Indices, Pool
from querist.models.clusters import LEAST_ROWS, ROWS_PER_CLUSTER, cluster_items, means
from querist.models.neighbours import READ_ROWS, nearest_point, of
from querist.stages.query_strategy.distances import find, item_numbers, labeled_rows, numbered, part_of


@dataclass(frozen=True)
class Landmarks:
    """A sample of all items that stays the same while they are labeled.

    `rows` (m, n_dims) in the order of `numbers` (m,), `at` (m,) their places in the pool, -1 for labeled ones. `key`
    names them for memory; it is None where items have no number for good.
    """

    rows: Embeddings
    numbers: Indices
    at: Indices
    key: str | None

    def generator(self, rng: np.random.Generator) -> np.random.Generator:
        """What is kept for later rounds must not depend on the round that finds it out; `rng` where nothing is."""
        return rng if self.key is None else np.random.default_rng(int(self.key[:16], 16))


def landmarks(pool: Pool, size: int, *, least: int = 0) -> Landmarks:
    """`size` items, drawn by number; more where fewer than `least` of them would be in the pool."""
    assert pool.embed is not None  # `needs` of the strategy says so, ask() checked it
    ids, labeled_ids = item_numbers(pool)
    numbers = np.concatenate([ids, labeled_ids]).astype(np.int64)
    draw = unit_interval(numbers.astype(np.uint64))
    while True:
        size = min(size, len(numbers))
        chosen = np.flatnonzero(draw <= np.partition(draw, size - 1)[size - 1])
        if size == len(numbers) or np.count_nonzero(chosen < pool.n_items) >= least:
            break
        size *= 2
    chosen = chosen[np.argsort(numbers[chosen])]
    open_ = chosen < pool.n_items
    rows = np.empty((len(chosen), pool.embed(slice(0, 1)).shape[1]), dtype=np.float32)
    rows[~open_] = labeled_rows(pool, rows.shape[1])[chosen[~open_] - pool.n_items]
    for part in blocks(len(chosen), READ_ROWS):
        here = np.flatnonzero(open_[part]) + part.start
        rows[here] = pool.embed(chosen[here])
    key = key_of(pool.space, numbers[chosen]) if numbered(pool) else None
    return Landmarks(rows, numbers[chosen], np.where(open_, chosen, -1), key)


@dataclass(frozen=True)
class Clusters:
    """`pool` (n_items,) and `labeled` (n_labeled,) cluster of each item, 0..n_clusters-1; some may hold none."""

    n_clusters: int
    pool: NDArray[np.intp]
    labeled: NDArray[np.intp]

    def sizes(self) -> NDArray[np.intp]:
        return np.bincount(self.pool, minlength=self.n_clusters)


def pool_clusters(pool: Pool, n_clusters: int, rng: np.random.Generator) -> Clusters:
    """k-means on a sample of all items, labeled or not, then every item to its nearest centre; kept between rounds."""
    sample = landmarks(pool, max(ROWS_PER_CLUSTER * n_clusters, LEAST_ROWS))
    key = None if sample.key is None else key_of(sample.key, n_clusters)
    kept = None if key is None else pool.memory.recall("clusters", key)
    ids, _ = item_numbers(pool)
    if kept is None:
        cluster, _ = cluster_items(sample.rows, min(n_clusters, len(sample.rows)), sample.generator(rng))
        centres = means(sample.rows, cluster)
        kept = {"centres": centres, "ids": ids[:0], "cluster": np.zeros(0, dtype=np.int32)}
    place, known = find(kept["ids"], ids)
    cluster = np.zeros(pool.n_items, dtype=np.intp)
    cluster[known] = kept["cluster"][place[known]]
    if not known.all():
        new = np.flatnonzero(~known)
        cluster[new], _ = nearest_point(part_of(pool, new), len(new), kept["centres"])
        if key is not None:
            order = np.argsort(ids)
            kept = {"centres": kept["centres"], "ids": ids[order], "cluster": cluster[order].astype(np.int32)}
            pool.memory.keep("clusters", key, **kept)
    rows = labeled_rows(pool, kept["centres"].shape[1])
    labeled, _ = nearest_point(of(rows), len(rows), kept["centres"])
    return Clusters(len(kept["centres"]), cluster, labeled)
