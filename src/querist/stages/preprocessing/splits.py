"""Who belongs to pool, validation and test: by group, by a hash that never changes, or as given."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from querist.core.hashing import key64, unit_interval
from querist.snapshots import POOL, SPLITS, TEST, VALIDATION
from querist.stages.preprocessing.groups import Groups, Keys

Splits = NDArray[np.int8]
UNGIVEN = -1
BLOCK = 1 << 20


@dataclass(frozen=True)
class Assignment:
    """`splits` (n,) codes, `primary` (n,) rows that may be used, and how many groups have rows in several splits."""

    splits: Splits
    primary: NDArray[np.bool_]
    groups_across_splits: int


def draw(keys: Keys, *, validation: float, test: float, salt: str = "") -> Splits:
    """(n,) splits by shares of groups; a function of key and salt alone, so that new data moves nobody."""
    mixed = np.uint64(key64(salt.encode()))
    codes = np.full(len(keys), POOL, dtype=np.int8)
    for first in range(0, len(keys), BLOCK):
        at = unit_interval(keys[first : first + BLOCK] ^ mixed)
        codes[first : first + BLOCK][at < test + validation] = VALIDATION
        codes[first : first + BLOCK][at < test] = TEST
    return codes


def assign(
    keys: Keys,
    groups: Groups,
    given: Splits,
    *,
    validation: float,
    test: float,
    salt: str = "",
    drawn: Collection[str],
    deduplicate: bool = True,
    old_splits: Splits | None = None,
    old_primary: NDArray[np.bool_] | None = None,
) -> Assignment:
    """Splits of all rows: the old ones first, as they are, then the new ones.

    A given split holds for its row, except that rows given to the pool are drawn into the splits named in `drawn`
    (those the column lacks). A row without a given split joins its group, or is drawn with it. Of each group one row
    is primary: the first, or the first test row; without `deduplicate` all rows in the group's own split are.
    """
    old_splits = np.empty(0, dtype=np.int8) if old_splits is None else old_splits
    old_primary = np.empty(0, dtype=bool) if old_primary is None else old_primary
    n_old, n_new = len(old_splits), len(given)
    by_hash = draw(keys[n_old:], validation=validation, test=test, salt=salt)
    redrawn = (given == POOL) & np.isin(by_hash, [SPLITS.index(name) for name in drawn])
    splits = np.concatenate([old_splits, np.where(redrawn, by_hash, given)])

    nobody = np.int8(UNGIVEN)
    settled = groups.highest(np.concatenate([np.where(old_primary, old_splits, nobody), np.full(n_new, nobody)]))
    home = groups.spread(np.where(settled == UNGIVEN, groups.highest(splits), settled))
    home[n_old:] = np.where(home[n_old:] == UNGIVEN, by_hash, home[n_old:])
    splits = np.where(splits == UNGIVEN, home, splits).astype(np.int8)

    primary = splits == home
    if deduplicate:
        row = np.arange(n_old + n_new, dtype=np.int32)
        first = groups.lowest(np.where(primary, row, np.int32(n_old + n_new)))
        primary &= (row == groups.spread(first)) & (groups.spread(settled) == UNGIVEN)
    primary[:n_old] = old_primary
    across = int((groups.highest(splits) != groups.lowest(splits)).sum())
    return Assignment(splits, primary, across)
