"""Whole numbers from shares: how much of a batch each group gets."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from querist.core.selection import top_k
from querist.core.types import Scores

DIGITS = 9
"""Remainders equal to this many decimals are a tie."""


def allocate(total: int, weights: ArrayLike, room: ArrayLike, rng: np.random.Generator) -> NDArray[np.intp]:
    """(n_groups,) whole numbers with sum `total`, in proportion to `weights`, none above its group's `room`.

    Largest remainders, equal ones in random order. What a full group cannot take goes to the others, and to groups
    without weight only when all others are full. `total` must fit into the room.
    """
    wanted, space = np.asarray(weights, dtype=np.float64), np.asarray(room, dtype=np.intp)
    quota = _quotas(total, wanted, space)
    given: NDArray[np.intp] = np.floor(quota + 10.0**-DIGITS).astype(np.intp)
    missing = round(quota.sum()) - given.sum()
    open_ = np.flatnonzero((given < space) & (wanted > 0))
    given[open_[top_k(np.round(quota - given, DIGITS)[open_], int(missing), rng)]] += 1
    left, rest = total - int(given.sum()), space - given
    return given + allocate(left, rest, rest, rng) if left > 0 else given


def _quotas(total: int, weights: Scores, room: NDArray[np.intp]) -> Scores:
    """Shares of `total`, where a group that would get more than its room has just that."""
    quota: Scores = np.zeros(len(weights))
    open_, left = (weights > 0) & (room > 0), float(total)
    while open_.any():
        share = left * weights / weights[open_].sum()
        full = open_ & (share >= room)
        if not full.any():
            quota[open_] = share[open_]
            break
        quota[full] = room[full]
        left -= float(room[full].sum())
        open_ &= ~full
    return quota


def draw_counts(total: int, shares: ArrayLike, rng: np.random.Generator) -> NDArray[np.intp]:
    """(n_groups,) whole numbers with sum `total` that are `total * shares` in expectation, each within 1 of it.

    A tenth of batches of three is one item in every third batch or so, not none in all of them.
    """
    weights = np.asarray(shares, dtype=np.float64)
    edges = np.floor(np.cumsum(total * weights / weights.sum()) + rng.random())
    edges[-1] = total
    counts: NDArray[np.intp] = np.diff(np.r_[0.0, edges]).astype(np.intp)
    return counts


def take_turns(counts: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """Order of the items of groups that stand one after the other, so that any first part of it keeps the shares."""
    place = np.concatenate([(np.arange(count) + 0.5) / count for count in counts if count])
    return top_k(-place, len(place), rng)
