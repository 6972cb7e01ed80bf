"""Which keys have been met before, for tens of millions of them."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Values = NDArray[np.int64]
T = TypeVar("T", np.uint64, np.int64)


class SeenKeys:
    """A map from 64-bit keys to numbers >= 0, grown a block at a time; 16 bytes a key.

    Sorted runs, merged when the last is at least half as long as the one before: n keys cost O(n log n) in all.
    O'Neil et al., 1996 (log-structured merge-tree).
    """

    def __init__(self) -> None:
        self._runs: list[tuple[Keys, Values]] = []

    def __len__(self) -> int:
        return sum(len(keys) for keys, _ in self._runs)

    def add(self, keys: Keys, values: Values) -> Values:
        """(n,) the value each key came with first, here or earlier in the block; -1 where it is new."""
        order = np.argsort(keys, kind="stable")
        keys, values = keys[order], values[order]
        fresh = np.ones(len(keys), dtype=bool)
        np.not_equal(keys[1:], keys[:-1], out=fresh[1:])
        first = np.flatnonzero(fresh)
        known = self._find(keys[first])
        new = known < 0
        earliest = np.where(new, values[first], known)
        earlier = np.repeat(earliest, np.diff(first, append=len(keys)))
        earlier[first[new]] = -1
        self._append(keys[first[new]], values[first[new]])
        answer = np.empty_like(earlier)
        answer[order] = earlier
        return answer

    def _find(self, keys: Keys) -> Values:
        found = np.full(len(keys), -1, dtype=np.int64)
        for run_keys, run_values in self._runs:
            at = np.searchsorted(run_keys, keys)
            at[at == len(run_keys)] = 0
            hit = run_keys[at] == keys
            found[hit] = run_values[at[hit]]
        return found

    def _append(self, keys: Keys, values: Values) -> None:
        if not len(keys):
            return
        self._runs.append((keys, values))
        while len(self._runs) > 1 and len(self._runs[-2][0]) <= 2 * len(self._runs[-1][0]):
            (keys, values), (more_keys, more_values) = self._runs.pop(-2), self._runs.pop()
            place = np.searchsorted(keys, more_keys) + np.arange(len(more_keys))
            old = np.ones(len(keys) + len(more_keys), dtype=bool)
            old[place] = False
            keys = _merged(keys, more_keys, old)
            values = _merged(values, more_values, old)
            self._runs.append((keys, values))


def _merged(first: NDArray[T], second: NDArray[T], from_first: NDArray[np.bool_]) -> NDArray[T]:
    merged = np.empty(len(from_first), dtype=first.dtype)
    merged[from_first] = first
    merged[~from_first] = second
    return merged
