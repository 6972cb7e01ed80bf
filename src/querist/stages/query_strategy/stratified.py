"""Random within strata."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from querist.core.checks import blocks
from querist.core.errors import SettingError
from querist.core.selection import place_in_group, top_k
from querist.core.types import Indices, Pool, Selection
from querist.models.clusters import cluster_items
from querist.models.threads import one_thread
from querist.stages.query_strategy.shares import allocate

By = Literal["prediction", "clusters"]
Shares = Literal["proportional", "even"]
SAMPLE = 20_000
"""Items that the clusters are made from; all others go to the nearest centre."""
BLOCK_ROWS = 8192


class Stratified:
    """Draws at random from each class that the model predicts, in proportion to its size or evenly.

    `by` = "clusters" takes `clusters` k-means clusters of the embeddings as strata instead, which needs no model.
    `shares` = "even" gives each stratum as many as it has room for.

    Source: Neyman, 1934.
    Cost: O(n log n); with clusters O(n c d).
    Memory: 40 n bytes; with clusters also a sample of 20,000 items.
    When: as a yardstick with less variance than random, or ("even") to fill small classes or regions; it asks
        nothing that the model is unsure of in particular.
    """

    needs = frozenset({"proba"})

    def __init__(self, *, by: By = "prediction", shares: Shares = "proportional", clusters: int = 10) -> None:
        for name, value, known in (("by", by, get_args(By)), ("shares", shares, get_args(Shares))):
            if value not in known:
                raise SettingError(f"{name} = {value!r} of strategy stratified must be one of {', '.join(known)}")
        if clusters < 1:
            raise SettingError(f"clusters = {clusters} of strategy stratified must be at least 1")
        self.by, self.shares, self.clusters = by, shares, clusters
        if by == "clusters":
            self.needs = frozenset({"embeddings"})

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        if self.by == "clusters":
            strata, names = clusters_of(pool, self.clusters, rng), []
        else:
            assert pool.proba is not None  # `needs` says so, ask() checked it
            strata, names = pool.proba.argmax(axis=1), list(pool.classes)
        picked, counts = draw_stratified(strata, batch_size, rng, even=self.shares == "even")
        said = ", ".join(f"{counts[s]} of {names[s] if names else s + 1}" for s in np.flatnonzero(counts))
        what = "cluster" if self.by == "clusters" else "predicted class"
        return Selection(
            picked,
            pool.scores_at(picked),
            thresholds={"strata": float(len(np.unique(strata)))},
            note=f"Drawn at random within each {what}, {self.shares}: {said}.",
        )


def draw_stratified(
    strata: NDArray[np.intp], batch_size: int, rng: np.random.Generator, *, even: bool
) -> tuple[Indices, NDArray[np.intp]]:
    """(batch_size,) items in random order, and how many of each stratum: in proportion to sizes, or as even as can be.

    `strata` (n,) are whole numbers from 0. Within a stratum every item has the same chance.
    """
    sizes = np.bincount(strata)
    counts = allocate(batch_size, (sizes > 0).astype(float) if even else sizes, sizes, rng)
    drawn = np.flatnonzero(place_in_group(strata, rng=rng) < counts[strata])
    return drawn[top_k(np.zeros(len(drawn)), batch_size, rng)], counts


def clusters_of(pool: Pool, n_clusters: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """(n_items,) k-means cluster of each item: clusters are made from a sample, the others join the nearest centre."""
    assert pool.embed is not None  # `needs` says so, ask() checked it
    rows = np.sort(top_k(np.zeros(pool.n_items), min(SAMPLE, pool.n_items), rng))
    sample = pool.embed(rows)
    cluster, _ = cluster_items(sample, min(n_clusters, len(rows)), rng)
    centres = np.stack([sample[cluster == one].mean(axis=0, dtype=np.float64) for one in np.unique(cluster)])
    half = (centres**2).sum(axis=1) / 2
    found = np.empty(pool.n_items, dtype=np.intp)
    with one_thread():
        for block in blocks(pool.n_items, BLOCK_ROWS):
            found[block] = (pool.embed(block).astype(np.float64) @ centres.T - half).argmax(axis=1)
    return found
