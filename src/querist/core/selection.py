"""Choosing k of n, and where randomness comes from: the one place for both."""

from __future__ import annotations

from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import PoolExhausted, ShapeError
from querist.core.types import Indices, Scores


def stream(seed: int, *path: int | str) -> np.random.Generator:
    """The generator of one place in the run: the same seed and path give the same numbers, whatever ran before."""
    return np.random.default_rng([seed, *(p if isinstance(p, int) else crc32(p.encode()) for p in path)])


def top_k(scores: Scores, k: int, rng: np.random.Generator) -> Indices:
    """The k highest scores, best first, equal ones in random order. Linear in n.

    Raises ShapeError on NaN or a wrong shape, PoolExhausted when k > n.
    """
    scores = np.asarray(scores)
    if scores.ndim != 1:
        raise ShapeError(f"scores must have shape (n_items,), got {scores.shape}")
    if np.isnan(scores).any():
        raise ShapeError(f"scores hold NaN at {int(np.isnan(scores).sum())} of {len(scores)} places")
    if k > len(scores):
        raise PoolExhausted(f"asked for {k} items but the pool holds {len(scores)}; ask for fewer or add data")
    if k <= 0:
        return np.empty(0, dtype=np.intp)
    cut = np.partition(scores, len(scores) - k)[len(scores) - k]
    above = np.flatnonzero(scores > cut)
    ties = rng.choice(np.flatnonzero(scores == cut), size=k - len(above), replace=False)
    chosen = np.concatenate([above, ties])
    return chosen[np.lexsort((rng.random(k), -scores[chosen]))]


def place_in_group(groups: NDArray[Any], *keys: NDArray[Any], rng: np.random.Generator) -> NDArray[np.intp]:
    """(n,) the place 0, 1, ... of each item among those of its group; smaller keys first, equal ones in random order.

    `keys` are (n,) each, of any type that sorts; the first one decides before the second. O(n log n).
    """
    if not len(groups):
        return np.empty(0, dtype=np.intp)
    order = np.lexsort((rng.random(len(groups)), *keys[::-1], groups))
    starts = np.flatnonzero(np.r_[True, groups[order][1:] != groups[order][:-1]])
    places = np.empty(len(groups), dtype=np.intp)
    places[order] = np.arange(len(groups)) - np.repeat(starts, np.diff(np.r_[starts, len(groups)]))
    return places
