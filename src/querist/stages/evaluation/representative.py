"""Labels that were not drawn at random, brought back to the pool's distribution by weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.core.types import Indices

Floats = NDArray[np.float64]

MOST_MISSING = 0.02
"""Share of a draw that strata may miss because they are used up."""


def shares_of(stratum: NDArray[np.intp], pool: NDArray[np.intp]) -> Floats:
    """(n_strata,) shares of the pool, of the strata that hold labeled items; the others have none, and these sum to 1.

    `stratum` (n_labeled,) and `pool` (n_pool,) number the strata.
    """
    n = int(max(stratum.max(initial=0), pool.max(initial=0))) + 1
    found = np.where(np.bincount(stratum, minlength=n) > 0, np.bincount(pool, minlength=n), 0)
    shares: Floats = found / found.sum()
    return shares


def post_stratify(stratum: NDArray[np.intp], pool: NDArray[np.intp]) -> Floats:
    """(n_labeled,) weights that sum to n_labeled and give each stratum its share of the pool. Holt and Smith, 1979."""
    shares, held = shares_of(stratum, pool), np.bincount(stratum)
    weights: Floats = len(stratum) * shares[stratum] / held[stratum]
    return weights


def share_covered(stratum: NDArray[np.intp], pool: NDArray[np.intp]) -> float:
    """Share of the pool in strata that hold a labeled item."""
    return float(np.isin(pool, stratum).mean())


def effective_number(weights: Floats) -> float:
    """How many equally weighted items tell as much. Kish, 1965."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def reach_of(stratum: NDArray[np.intp], shares: Floats, most: int) -> int:
    """The largest draw, of `most` at the utmost, of which used-up strata are expected to miss no more than 2 %."""
    held = np.bincount(stratum, minlength=len(shares))
    sizes = np.arange(1, most + 1)
    missing = np.zeros(len(sizes))
    for share, n in zip(shares, held, strict=True):
        missing += np.maximum(sizes * share - n, 0.0)
    return int((missing <= MOST_MISSING * sizes).sum())


def draw(stratum: NDArray[np.intp], shares: Floats, size: int, rng: np.random.Generator) -> Indices:
    """(size,) labeled items one after the other, without replacement: the stratum by its share, any item of it alike.

    Items of a stratum come at the times of a Poisson process whose rate is its share, so that which stratum comes next
    does not depend on how many items it holds; one that is used up leaves its share to the others.
    """
    order = rng.permutation(len(stratum))
    order = order[np.argsort(stratum[order], kind="stable")]
    times = np.cumsum(rng.exponential(size=len(order)) / shares[stratum[order]])
    first = np.flatnonzero(np.diff(stratum[order], prepend=-1))
    times -= np.repeat(np.where(first > 0, times[first - 1], 0.0), np.diff(first, append=len(order)))
    drawn: Indices = order[np.argsort(times, kind="stable")[:size]]
    return drawn
