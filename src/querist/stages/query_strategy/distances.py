"""How far the pool is from what is labeled, kept from round to round."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ShapeError
from querist.core.hashing import key_of
from querist.core.types import Embeddings, Indices, Pool, Scores
from querist.models.neighbours import Embed, Floats, nearest_squared

KEPT = "nearest_to_labeled"
SHARE = 8
MANY_LABELS, MANY_ITEMS = 1 << 9, 1 << 14


def labeled_rows(pool: Pool, n_dims: int) -> Embeddings:
    """(n_labeled, n_dims) embeddings of the labeled items, if any."""
    if pool.labeled_embeddings is None or not len(pool.labeled_embeddings):
        return np.zeros((0, n_dims), dtype=np.float32)
    if pool.labeled_embeddings.shape[1] != n_dims:
        raise ShapeError(f"labeled items have {pool.labeled_embeddings.shape[1]} dimensions and the pool's {n_dims}")
    return pool.labeled_embeddings


def numbered(pool: Pool) -> bool:
    """Whether every item, labeled or not, has its number for good, so that memory can speak of it."""
    known = 0 if pool.labeled_embeddings is None else len(pool.labeled_embeddings)
    return (
        pool.space is not None
        and pool.ids is not None
        and known == (0 if pool.labeled_ids is None else len(pool.labeled_ids))
    )


def item_numbers(pool: Pool) -> tuple[Indices, Indices]:
    """Numbers of the pool's and of the labeled items: their ids, or their places where there are none."""
    if numbered(pool):
        assert pool.ids is not None  # `numbered` says so
        return pool.ids, np.empty(0, dtype=np.intp) if pool.labeled_ids is None else pool.labeled_ids
    known = 0 if pool.labeled_embeddings is None else len(pool.labeled_embeddings)
    return np.arange(pool.n_items), np.arange(pool.n_items, pool.n_items + known)


@dataclass(frozen=True)
class Late:
    """Squared distances `near` (n_items,) to the nearest labeled item, of which some may be too high.

    All of them take in the labeled items that are `counted` (n_labeled,), some take in the others.
    """

    pool: Pool
    near: Floats
    counted: NDArray[np.bool_]

    def sharpen(self, at: Indices, squared: Scores) -> None:
        """Takes up the right distances (len(at),) of some items."""
        self.near[at] = squared
        _keep(self.pool, self.near, self.counted)

    def renew(self) -> Floats:
        """The right distances of all."""
        assert self.pool.embed is not None  # `needs` of the strategy says so, ask() checked it
        assert self.pool.labeled_embeddings is not None  # some are not counted
        rest = self.pool.labeled_embeddings[~self.counted]
        near = nearest_squared(self.pool.embed, self.pool.n_items, rest, known=self.near)
        _keep(self.pool, near, np.ones_like(self.counted))
        return near


def nearest_labeled(pool: Pool) -> tuple[Floats, Late | None]:
    """(n_items,) squared distance to the nearest labeled item, infinite without any; with `Late` some may be too high.

    Goes on from what earlier rounds found out, and measures no more than what tells which items are the farthest:
    all items to an eighth of many labels, and only the farthest eighth to the rest.
    """
    assert pool.embed is not None  # `needs` of the strategy says so, ask() checked it
    labeled = labeled_rows(pool, pool.embed(slice(0, 1)).shape[1])
    near, counted = _recall(pool, len(labeled))
    if counted.any():
        _measure(pool, near, np.flatnonzero(np.isinf(near)), labeled[counted])
    else:
        counted[:: SHARE if len(labeled) >= MANY_LABELS and pool.n_items >= MANY_ITEMS else 1] = True
        near = nearest_squared(pool.embed, pool.n_items, labeled[counted])
        if not counted.all():
            farthest = np.argpartition(near, -(pool.n_items // SHARE))[-(pool.n_items // SHARE) :]
            _measure(pool, near, np.sort(farthest), labeled[~counted])
    if not counted.all():
        return near, Late(pool, near, counted)
    _keep(pool, near, counted)
    return near, None


def _measure(pool: Pool, near: Floats, at: Indices, points: Embeddings) -> None:
    """Brings the distances of some items down to those to the points."""
    if len(at):
        near[at] = nearest_squared(part_of(pool, at), len(at), points, known=near[at])


def _recall(pool: Pool, n_labeled: int) -> tuple[Floats, NDArray[np.bool_]]:
    """The `near` and `counted` of earlier rounds: infinite for new items, nothing where a label was withdrawn since."""
    near, counted = np.full(pool.n_items, np.inf, dtype=np.float32), np.zeros(n_labeled, dtype=bool)
    if not numbered(pool):
        return near, counted
    ids, labeled_ids = item_numbers(pool)
    kept = pool.memory.recall(KEPT, key_of(pool.space))
    if kept is not None and np.isin(kept["seen"], labeled_ids).all():
        place, known = find(kept["ids"], ids)
        near[known] = kept["near"][place[known]]
        counted = np.isin(labeled_ids, kept["counted"])
    return near, counted


def _keep(pool: Pool, near: Floats, counted: NDArray[np.bool_]) -> None:
    if numbered(pool):
        ids, seen = item_numbers(pool)
        order, key = np.argsort(ids), key_of(pool.space)
        pool.memory.keep(KEPT, key, ids=ids[order], near=near[order], counted=seen[counted], seen=seen)


def part_of(pool: Pool, at: Indices) -> Embed:
    """`embed` of a part of the pool; slices stay slices where the part is all of it."""
    assert pool.embed is not None  # `needs` of the strategy says so, ask() checked it
    embed = pool.embed
    return embed if len(at) == pool.n_items else lambda part: embed(at[part])


def find(sorted_ids: Indices, ids: Indices) -> tuple[Indices, NDArray[np.bool_]]:
    """(n,) the place of each id among the sorted ones, and whether it is there at all."""
    place = np.searchsorted(sorted_ids, ids)
    place[place == len(sorted_ids)] = 0
    known = sorted_ids[place] == ids if len(sorted_ids) else np.zeros(len(ids), dtype=bool)
    return place, known
