"""The feature matrix of all items, addressed by position, read in parts and never held whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np

from querist.core.errors import DataError, ShapeError
from querist.core.hashing import key_of
from querist.core.selection import stream
from querist.core.types import Embeddings, Indices, Matrix
from querist.models.encoding import Progress, encode_shards, fit_encoder, root_pool
from querist.models.matrices import Held, InMemory, Part, load_arrays, save_arrays, stack
from querist.models.projection import FIT_ROWS, Projection
from querist.snapshots.snapshot import Snapshot

BLOCK_ROWS = 65_536
EMBED_ROWS = 16_384
HELD_BYTES = 256 << 20
S = TypeVar("S")
T = TypeVar("T")


class Features:
    """(n_items, n_features) in parts, with label-free embeddings of any of the items."""

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        projection: Projection | None = None,
        embeddings: Embeddings | None = None,
        space: str = "",
    ) -> None:
        self.space = space
        """The name of these embeddings and of their numbering; equal only where both are the same."""
        self._parts = tuple(parts)
        self._starts = np.cumsum([0, *(part.shape[0] for part in parts)])
        self._projection = projection
        self._embeddings = embeddings
        self._learn_from: Indices | None = None
        self._held = Held(HELD_BYTES)
        self.n_items = int(self._starts[-1])
        self.n_features = parts[0].shape[1] if parts else 0

    @classmethod
    def of(cls, X: Matrix, embeddings: Embeddings | None = None, *, learn_from: Indices | None = None) -> Self:
        """Features from an array or a sparse matrix; embeddings are used as given, or learned when asked for, from all
        of X or its rows `learn_from`.
        """
        if not isinstance(X, np.ndarray):
            X = X.tocsr() if hasattr(X, "tocsr") else np.asarray(X)
        if X.ndim != 2:
            raise ShapeError(f"features must have shape (n_items, n_features), got {X.shape}")
        if embeddings is not None:
            embeddings = np.asarray(embeddings, dtype=np.float32)
            if embeddings.ndim != 2 or len(embeddings) != X.shape[0]:
                raise ShapeError(f"embeddings must have shape ({X.shape[0]}, n_dims), got {embeddings.shape}")
        made = cls([InMemory(X)], embeddings=embeddings)
        made._learn_from = learn_from
        return made

    def rows(self, positions: Indices, *, hold: bool = False) -> Matrix:
        """(len(positions), n_features) in the order asked; each part is opened once. `hold` is as in `blocks`."""
        if hold:
            (kept,) = self._held.through(key_of("rows", positions), lambda: [self.rows(positions)])
            return kept
        positions = self._checked(positions)
        order = np.argsort(positions, kind="stable")
        ordered = positions[order]
        in_order = bool((order[1:] > order[:-1]).all())
        found = [part.open()[ordered[span] - start] for part, start, span in self._spans(ordered)]
        if not found:
            found = [part.open()[:0] for part in self._parts[:1]]
        X = stack(found)
        if in_order:
            return X
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return X[back]

    def blocks(
        self, positions: Indices, size: int = BLOCK_ROWS, *, hold: bool = False
    ) -> Iterator[tuple[slice, Matrix]]:
        """(slice into positions, their rows), at most `size` at a time; the next one is read while one is worked on.

        Sorted positions read each part once, in order, and no block reaches over two parts, so that none is copied
        together. `hold` says that the same positions will be asked again: their rows stay in memory, where all that is
        held fits into HELD_BYTES.
        """
        positions = self._checked(positions)
        cuts = np.arange(0, len(positions), size)
        if bool((positions[1:] > positions[:-1]).all()):
            cuts = np.union1d(cuts, np.searchsorted(positions, self._starts))
        spans = [slice(start, end) for start, end in pairwise(np.union1d(cuts, [len(positions)]).tolist())]

        def read() -> Iterator[Matrix]:
            return ahead(lambda span: self.rows(positions[span]), spans)

        yield from zip(spans, self._held.through(key_of(size, positions), read) if hold else read(), strict=True)

    def embed(self, positions: Indices) -> Embeddings:
        """(len(positions), n_dims) float32."""
        positions = self._checked(positions)
        if self._embeddings is not None:
            return self._embeddings[positions]
        if self._projection is None:
            self._projection = self.fit_projection(
                np.arange(self.n_items) if self._learn_from is None else self._learn_from, np.random.default_rng(0)
            )
        starts = range(0, max(len(positions), 1), EMBED_ROWS)  # no item at all still has its number of columns
        return np.concatenate([self._projection(self.rows(positions[start : start + EMBED_ROWS])) for start in starts])

    def fit_projection(self, positions: Indices, rng: np.random.Generator) -> Projection:
        """Learned from a random part of `positions`."""
        if len(positions) > FIT_ROWS:
            positions = np.sort(rng.choice(positions, FIT_ROWS, replace=False))
        return Projection.fit(self.rows(positions), rng=rng)

    def _checked(self, positions: Indices) -> Indices:
        positions = np.asarray(positions, dtype=np.intp)
        if len(positions) and (positions.min() < 0 or positions.max() >= self.n_items):
            raise ShapeError(
                f"positions run from {positions.min()} to {positions.max()} but there are {self.n_items} items"
            )
        return positions

    def _spans(self, ordered: Indices) -> Iterator[tuple[Part, int, slice]]:
        """The parts that hold some of the sorted positions: (part, its first position, slice of `ordered`)."""
        ends = np.searchsorted(ordered, self._starts)
        for part, start, low, high in zip(self._parts, self._starts, ends, ends[1:], strict=False):
            if high > low:
                yield part, int(start), slice(int(low), int(high))


def ahead(make: Callable[[S], T], of: Sequence[S]) -> Iterator[T]:
    """`make` of each, the next one made in the background."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as worker:
        waiting = None
        for one in of:
            made, waiting = waiting, worker.submit(make, one)
            if made is not None:
                yield made.result()
        if waiting is not None:
            yield waiting.result()


def build(
    snapshot: Snapshot,
    encoder: str,
    params: Mapping[str, Any],
    *,
    cache: Path,
    seed: int,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Features:
    """Features of a snapshot, computed where the cache does not hold them yet.

    Encoder and projection learn from the root snapshot's pool alone, so children reuse them and no holdout item takes
    part. `jobs` processes encode several shards at a time (None: one for each core); `progress` counts items.
    """
    pool = np.flatnonzero(root_pool(snapshot))
    if len(pool) == 0:
        raise DataError(f"snapshot {snapshot.root_id} holds no pool item to learn features from; ingest more data")
    told = progress or (lambda what, done, total: None)
    told("fit the encoder", 0, None)
    fitted, folder = fit_encoder(encoder, params, snapshot, cache=cache, seed=seed)
    told("fit the encoder", 1, 1)
    parts = encode_shards(snapshot, fitted, folder, jobs=jobs, progress=progress)
    path = folder / "projection.npz"
    if not path.exists():
        told("fit the projection", 0, None)
        save_arrays(path, Features(parts).fit_projection(pool, stream(seed, "projection")).state())
        told("fit the projection", 1, 1)
    return Features(parts, projection=Projection.restore(load_arrays(path)), space=folder.name)
