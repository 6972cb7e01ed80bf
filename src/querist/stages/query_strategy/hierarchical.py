"""Sampling down a tree of clusters until each part is of one class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from querist.core.hashing import key_of
from querist.core.selection import top_k
from querist.core.types import Codes, Embeddings, Indices, Pool, Scores, Selection
from querist.stages.query_strategy.ask import refuse_beyond

NAME = "hierarchical"
Merges = NDArray[np.int64]
"""(n_leaves - 1, 2): the two nodes that merge i joins into node n_leaves + i; leaves are 0..n_leaves-1."""


@dataclass(frozen=True)
class Pruning:
    """The nodes `node` (p,) that stand for their part of the tree, and `part_of` (n_leaves,) which holds each leaf.

    Of each its `size` (p,), the labels in it `labeled` (p,), and `doubt` (p,), the items not shown to be of its class.
    """

    node: Indices
    part_of: Indices
    size: NDArray[np.int64]
    labeled: NDArray[np.int64]
    doubt: Scores


class Hierarchical:
    """Samples clusters of a Ward tree, those more that are not yet shown to be of one class, and splits them as labels
    tell that a finer part is purer.

    The tree is kept from round to round; the parts follow from the labels so far, so a batch of any size can be drawn.

    Source: Dasgupta and Hsu, 2008, with the bounds of their code.
    Cost: O(n^2 d) for the tree of pool and labeled items, O(n C) a round: small pools.
    Memory: 8 n^2 bytes.
    When: classes are clusters of the embeddings and labels are very few; where classes cut through clusters it samples
        at random.
    """

    needs = frozenset({"embeddings", "labeled_embeddings", "labels"})

    def bytes_needed(self, n_items: int, n_dims: int, n_classes: int, batch_size: int) -> int:
        return bytes_of(n_items, n_dims)

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        assert pool.embed is not None  # `needs` says so, ask() checked it
        assert pool.labeled_embeddings is not None
        assert pool.labeled_codes is not None
        n_labeled = len(pool.labeled_codes)
        refuse_beyond(bytes_of(pool.n_items + n_labeled, pool.labeled_embeddings.shape[1]), pool, NAME)
        codes = np.r_[pool.labeled_codes, np.full(pool.n_items, -1)]
        order, merges = self._tree(pool)
        n_classes = max(len(pool.classes), int(codes.max(initial=0)) + 1)
        pruning = prune(merges, codes[order], n_classes)
        leaves = draw_leaves(pruning, codes[order] < 0, batch_size, rng)
        picked = order[leaves] - n_labeled
        parts = pruning.part_of[leaves]
        return Selection(
            picked,
            pool.scores_at(picked),
            thresholds={"clusters": float(len(pruning.node)), "doubt": float(pruning.doubt.sum() / len(codes))},
            note=f"Drawn from {len(pruning.node)} clusters, more where labels do not show yet that it is of one class.",
            reasons=[f"from a cluster of {pruning.size[p]} items, {pruning.labeled[p]} of them labeled" for p in parts],
        )

    def _tree(self, pool: Pool) -> tuple[Indices, Merges]:
        """Labeled items, then the pool's, in the order of the leaves, and the merges."""
        assert pool.embed is not None
        assert pool.labeled_embeddings is not None
        points = np.concatenate([pool.labeled_embeddings, pool.embed(slice(0, pool.n_items))])
        if pool.space is None or pool.ids is None or pool.labeled_ids is None:
            return np.arange(len(points)), ward(points)
        ids = np.concatenate([pool.labeled_ids, pool.ids])
        order = np.argsort(ids, kind="stable")
        key = key_of(pool.space)
        found = pool.memory.recall(NAME, key)
        if found is not None and np.array_equal(found["ids"], ids[order]):
            return order, found["merges"]
        merges = ward(points[order])
        pool.memory.keep(NAME, key, ids=ids[order], merges=merges)
        return order, merges


def bytes_of(n_items: int, n_dims: int) -> int:
    """The distances of all pairs, twice, and the points in double precision."""
    return 8 * n_items * (n_items + n_dims)


def ward(points: Embeddings) -> Merges:
    from scipy.cluster.hierarchy import linkage

    if len(points) < 2:
        return np.empty((0, 2), dtype=np.int64)
    merges: Merges = linkage(points.astype(np.float64), "ward")[:, :2].astype(np.int64)
    return merges


def prune(merges: Merges, codes: Codes, n_classes: int) -> Pruning:
    """The parts of the tree that the labels so far speak for: the cheapest, where a node may be split only once one
    class of it is admissible. `codes` (n_leaves,) are -1 where unlabeled."""
    n_leaves = len(codes)
    counts = np.zeros((n_leaves + len(merges), n_classes), dtype=np.int64)
    size = np.ones(len(counts), dtype=np.int64)
    known = np.flatnonzero(codes >= 0)
    counts[known, codes[known]] = 1
    for node, (a, b) in enumerate(merges.tolist(), start=n_leaves):
        counts[node] = counts[a] + counts[b]
        size[node] = size[a] + size[b]
    doubt, admissible = doubts(counts, size)
    cost, split = doubt.copy(), np.zeros(len(size), dtype=bool)
    for node, (a, b) in enumerate(merges.tolist(), start=n_leaves):
        if admissible[node] and cost[a] + cost[b] < cost[node]:
            cost[node], split[node] = cost[a] + cost[b], True
    owner = np.full(len(size), -1, dtype=np.intp)
    for node in range(len(size) - 1, n_leaves - 1, -1):
        a, b = merges[node - n_leaves]
        if owner[node] < 0 and not split[node]:
            owner[node] = node
        owner[a] = owner[b] = owner[node]
    leaf = owner[:n_leaves]
    nodes, part_of = np.unique(np.where(leaf < 0, np.arange(n_leaves), leaf), return_inverse=True)
    return Pruning(nodes, part_of, size[nodes], counts[nodes].sum(axis=1), doubt[nodes])


def doubts(counts: NDArray[np.int64], size: NDArray[np.int64]) -> tuple[Scores, NDArray[np.bool_]]:
    """(m,) how many items of each node may not be of its best class, and whether any class of it is admissible.

    A class is admissible when, at its worst, its errors are under twice those of any other class at its best.
    """
    total = counts.sum(axis=1)
    seen = np.maximum(total, 1)[:, None]
    share = counts / seen
    unseen = (1 - total / size)[:, None]
    width = np.where(total[:, None] > 0, unseen / seen + np.sqrt(unseen * share * (1 - share) / seen), 1.0)
    lower: Scores = np.maximum(counts, (share - width) * size[:, None])
    upper: Scores = np.minimum(size[:, None] - (total[:, None] - counts), (share + width) * size[:, None])
    n_classes = counts.shape[1]
    best_other = np.full(counts.shape, -np.inf)
    for c in range(n_classes):
        others = np.delete(upper, c, axis=1)
        if n_classes > 1:
            best_other[:, c] = others.max(axis=1)
    admissible = (lower > 2 * best_other - size[:, None]) & (counts > 0)
    best = np.where(admissible, counts, -1).argmax(axis=1)
    some: NDArray[np.bool_] = np.asarray(admissible.any(axis=1))
    doubt: Scores = np.subtract(size, np.where(some, lower[np.arange(len(size)), best], 0.0), dtype=np.float64)
    return doubt, some


def draw_leaves(pruning: Pruning, open_: NDArray[np.bool_], batch_size: int, rng: np.random.Generator) -> Indices:
    """(k,) leaves: a part by its doubt, then an open leaf of it evenly; one by one, none twice."""
    room = np.bincount(pruning.part_of[open_], minlength=len(pruning.node))
    counts = np.zeros(len(room), dtype=np.intp)
    turns = np.empty(batch_size, dtype=np.intp)
    for turn in range(batch_size):
        weight = np.where(counts < room, np.maximum(pruning.doubt, np.finfo(float).tiny), 0.0)
        turns[turn] = rng.choice(len(room), p=weight / weight.sum())
        counts[turns[turn]] += 1
    leaves = np.empty(batch_size, dtype=np.intp)
    for one in np.flatnonzero(counts):
        members = np.flatnonzero(open_ & (pruning.part_of == one))
        leaves[turns == one] = members[top_k(np.zeros(len(members)), int(counts[one]), rng)]
    return leaves
