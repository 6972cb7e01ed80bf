"""How far the pool is from what is labeled, kept from round to round."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ShapeError
from querist.core.hashing import key_of
from querist.core.types import Embeddings, Indices, Pool
from querist.models.neighbours import Embed, Floats, nearest_squared


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


def nearest_labeled(pool: Pool) -> Floats:
    """(n_items,) squared distance to the nearest labeled item, infinite without any.

    Goes on from the last round's distances: only what was labeled since and items that are new cost anything.
    """
    assert pool.embed is not None  # `needs` of the strategy says so, ask() checked it
    labeled = labeled_rows(pool, pool.embed(slice(0, 1)).shape[1])
    if not numbered(pool):
        return nearest_squared(pool.embed, pool.n_items, labeled)
    assert pool.space is not None  # `numbered` says so
    ids, labeled_ids = item_numbers(pool)
    kept = pool.memory.recall("nearest_labeled", key_of(pool.space))
    if kept is None or not np.isin(kept["labeled"], labeled_ids).all():
        kept = {"ids": ids[:0], "near": np.zeros(0, dtype=np.float32), "labeled": labeled_ids[:0]}
    place, known = find(kept["ids"], ids)
    near = np.full(pool.n_items, np.inf, dtype=np.float32)
    near[known] = kept["near"][place[known]]
    fresh = ~np.isin(labeled_ids, kept["labeled"])
    near = nearest_squared(pool.embed, pool.n_items, labeled[fresh], known=near)
    if len(kept["labeled"]) and not known.all():
        new = np.flatnonzero(~known)
        near[new] = nearest_squared(part_of(pool, new), len(new), labeled)
    order = np.argsort(ids)
    pool.memory.keep("nearest_labeled", key_of(pool.space), ids=ids[order], near=near[order], labeled=labeled_ids)
    return near


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
