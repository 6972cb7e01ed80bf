"""Squared Euclidean distances from many items to some points, in tiles that stay in the cache, on every core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from querist.core.checks import blocks
from querist.core.types import Embeddings, Indices
from querist.models.threads import blas_threads, one_thread

Embed = Callable[[Indices | slice], Embeddings]
Floats = NDArray[np.float32]
READ_ROWS = 16_384
TILE_ROWS = 512
TILE_POINTS = 512
TILE = 1 << 20
"""Distances in a tile that is wanted whole."""


def each_tile(
    embed: Embed, n_items: int, work: Callable[[slice, Embeddings], None], *, tile_rows: int = TILE_ROWS
) -> None:
    """`work(at, rows)` for every `tile_rows` of the items, which are read in order and once.

    Threads share out tiles, never a sum, so the answer is the same whatever their number.
    """
    if n_items <= tile_rows:
        with one_thread(only="blas"):
            return work(slice(0, n_items), embed(slice(0, n_items)))
    with ThreadPoolExecutor(blas_threads()) as threads, one_thread(only="blas"):
        waiting: Sequence[Future[None]] = ()
        for block in blocks(n_items, READ_ROWS):
            rows = embed(block)  # while the threads work on the block before
            _finish(waiting)
            waiting = [
                threads.submit(work, slice(block.start + tile.start, block.start + tile.stop), rows[tile])
                for tile in blocks(len(rows), tile_rows)
            ]
        _finish(waiting)


def rows_for(n_points: int) -> int:
    """Rows of a tile that is to hold the distances to all points at once."""
    return int(np.clip(TILE // max(n_points, 1), 32, TILE_ROWS))


class Points:
    """(m, d) points, moved to their middle: far from the origin float32 would lose what tells near ones apart."""

    def __init__(self, rows: Embeddings) -> None:
        self.origin = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.rows: Floats = np.subtract(rows, self.origin, dtype=np.float32)
        self.halves: Floats = np.einsum("ij,ij->i", self.rows, self.rows) / np.float32(2)

    def __len__(self) -> int:
        return len(self.rows)

    def moved(self, rows: Embeddings) -> tuple[Floats, Floats]:
        """Rows (r, d) moved alike, and their squared lengths (r,)."""
        moved: Floats = np.subtract(rows, self.origin, dtype=np.float32)
        return moved, np.einsum("ij,ij->i", moved, moved)

    def partial(self, moved: Floats, at: slice) -> Floats:
        """(r, len(at)) half of the squared distances, without the rows' own part."""
        products: Floats = moved @ self.rows[at].T
        return np.subtract(self.halves[at], products, out=products)

    def squared(self, rows: Embeddings, at: slice = slice(None)) -> Floats:
        """(r, len(at)) squared distances."""
        moved, lengths = self.moved(rows)
        found = self.partial(moved, at)
        found *= 2
        found += lengths[:, None]
        np.maximum(found, 0, out=found)
        return found


def mean_row(embed: Embed, n_items: int, *, unit: bool = False) -> NDArray[np.float64]:
    """(n_dims,) mean of the items, or of their directions."""
    sums = np.zeros((-(-n_items // TILE_ROWS), embed(slice(0, 1)).shape[1]))

    def work(at: slice, rows: Embeddings) -> None:
        weights = inverse_lengths(rows) if unit else np.ones(len(rows), dtype=np.float32)
        sums[at.start // TILE_ROWS] = weights @ rows

    each_tile(embed, n_items, work)
    mean: NDArray[np.float64] = sums.sum(axis=0) / n_items
    return mean


def inverse_lengths(rows: Embeddings) -> Floats:
    """(r,) 1 / length of each row; 0 where it has none."""
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    inverse: Floats = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return inverse


def nearest_squared(embed: Embed, n_items: int, points: Embeddings, *, known: Floats | None = None) -> Floats:
    """(n,) squared distance of each item to the nearest of the points, or what is `known` (n,) where that is less."""
    near = np.full(n_items, np.inf, dtype=np.float32) if known is None else known.copy()
    if not len(points):
        return near
    to = Points(points)

    def work(at: slice, rows: Embeddings) -> None:
        moved, lengths = to.moved(rows)
        least = np.full(len(rows), np.inf, dtype=np.float32)
        for part in blocks(len(to), TILE_POINTS):
            np.minimum(least, to.partial(moved, part).min(axis=1), out=least)
        near[at] = np.minimum(near[at], np.maximum(lengths + 2 * least, 0))

    each_tile(embed, n_items, work)
    return near


def nearest_point(embed: Embed, n_items: int, points: Embeddings) -> tuple[NDArray[np.intp], Floats]:
    """(n,) which point is the nearest to each item, and the squared distance to it."""
    which, near = np.zeros(n_items, dtype=np.intp), np.zeros(n_items, dtype=np.float32)
    to = Points(points)

    def work(at: slice, rows: Embeddings) -> None:
        found = to.squared(rows)
        which[at] = found.argmin(axis=1)
        near[at] = found[np.arange(len(rows)), which[at]]

    each_tile(embed, n_items, work, tile_rows=rows_for(len(to)))
    return which, near


def nearest_few(embed: Embed, n_items: int, points: Embeddings, k: int) -> tuple[NDArray[np.int32], Floats]:
    """(n, k) the k nearest points of each item, in no order, and their squared distances."""
    which = np.zeros((n_items, k), dtype=np.int32)
    near = np.zeros((n_items, k), dtype=np.float32)
    to = Points(points)

    def work(at: slice, rows: Embeddings) -> None:
        found = to.squared(rows)
        chosen = np.argpartition(found, k - 1, axis=1)[:, :k]
        which[at], near[at] = chosen, np.take_along_axis(found, chosen, axis=1)

    each_tile(embed, n_items, work, tile_rows=rows_for(len(to)))
    return which, near


def count_within(embed: Embed, n_items: int, points: Embeddings, squared_radius: float) -> NDArray[np.int64]:
    """(n,) how many of the points lie within the radius of each item."""
    counts = np.zeros(n_items, dtype=np.int64)
    if not len(points):
        return counts
    to = Points(points)

    def work(at: slice, rows: Embeddings) -> None:
        moved, lengths = to.moved(rows)
        reach = ((np.float32(squared_radius) - lengths) / 2)[:, None]
        for part in blocks(len(to), TILE_POINTS):
            counts[at] += np.count_nonzero(to.partial(moved, part) <= reach, axis=1)

    each_tile(embed, n_items, work)
    return counts


def of(rows: Embeddings) -> Embed:
    """`embed` of an array."""
    return lambda at: rows[at]


def _finish(waiting: Sequence[Future[None]]) -> None:
    for one in waiting:
        one.result()
