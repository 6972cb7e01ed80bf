"""Asking for numbers instead of classes: the spread of several predictions, and greedy sampling.

Wu, Lin and Huang, Active learning for regression using greedy sampling, 2019.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.core.checks import blocks
from querist.core.errors import PoolExhausted, SettingError, ShapeError, UnknownName
from querist.core.selection import top_k
from querist.core.types import Indices, Pool, Scores
from querist.stages.query_strategy.core_set import CoreSet

Points = NDArray[np.floating]
"""(n_items, n_dims)"""
NEEDS = {
    "variance": ("samples",),
    "gsx": ("embeddings",),
    "gsy": ("predictions",),
    "igs": ("embeddings", "predictions"),
}
CELLS = 2_000_000
"""Distances of a block."""
LABELED = 1024
"""Labeled items that are compared at a time."""
FAR = 1024
"""Items that are looked at while none of the others can be farther."""
TOLERANCE = 1e-5
"""Distances that differ by less than this share of the largest count as equal, so that rounding decides nothing."""


def select(
    method: str,
    batch_size: int,
    *,
    labels: Scores,
    embeddings: Points | None,
    predictions: Scores | None,
    samples: Points | None,
    rng: np.random.Generator,
) -> Indices:
    """(batch_size,) rows to ask next, best first; rows whose label is no NaN are never answered.

    Raises UnknownName, SettingError for what the method needs and lacks, ShapeError and PoolExhausted.
    """
    if method not in NEEDS:
        raise UnknownName("method", method, NEEDS)
    given = {"embeddings": embeddings, "predictions": predictions, "samples": None if samples is None else samples.T}
    if missing := [name for name in NEEDS[method] if given[name] is None]:
        raise SettingError(f"method {method!r} needs {missing[0]}; give them as an argument")
    for name, values in given.items():
        if values is not None and len(values) != len(labels):
            raise ShapeError(f"{name} are given for {len(values)} items, labels for {len(labels)}")
    open_, known = np.flatnonzero(np.isnan(labels)), np.flatnonzero(~np.isnan(labels))
    if not 1 <= batch_size <= len(open_):
        raise PoolExhausted(f"asked for {batch_size} items, and {len(open_)} have no label; ask for 1 to {len(open_)}")
    if method == "variance":
        assert samples is not None  # checked above
        return open_[top_k(predictive_variance(samples[:, open_]), batch_size, rng)]
    if method == "gsx":
        assert embeddings is not None  # checked above
        return open_[_farthest(embeddings, open_, known, batch_size, rng)]
    assert predictions is not None  # checked above
    spaces = [(predictions[:, None], labels[known, None])]
    if method == "igs" and embeddings is not None:
        spaces.append((embeddings, embeddings[known]))
    items, labeled = zip(*spaces, strict=True)
    return greedy_sampling(items, labeled, batch_size, rng, closed=known)


def _farthest(embeddings: Points, open_: Indices, known: Indices, k: int, rng: np.random.Generator) -> Indices:
    """GSx is k-center greedy under another name."""
    pool = Pool(
        len(open_),
        embed=lambda at: np.asarray(embeddings[open_[at]], dtype=np.float32),
        labeled_embeddings=np.asarray(embeddings[known], dtype=np.float32),
    )
    return CoreSet()(pool, k, rng).indices


def predictive_variance(samples: Points) -> Scores:
    """(n_items,) variance of the predictions, (n_samples, n_items), of several models. Burbidge et al., 2007."""
    scores = np.empty(samples.shape[1])
    for block in blocks(samples.shape[1]):
        scores[block] = samples[:, block].var(axis=0, dtype=np.float64)
    return scores


def greedy_sampling(
    items: tuple[Points, ...],
    labeled: tuple[Points, ...],
    k: int,
    rng: np.random.Generator,
    *,
    closed: Indices | None = None,
) -> Indices:
    """(k,) the items one after the other whose nearest labeled item is farthest, picks counting as labeled.

    `items` (n, n_dims) and `labeled` (l, n_dims) come in one or more spaces: the features alone are GSx, the targets
    alone GSy (a pick has the target that was predicted), both iGS, where distances are multiplied. Items `closed` are
    never picked. Nothing labeled starts with the item nearest to the mean, as the paper does. Distances only shrink, so
    the farthest few are brought up to date alone while one of them is farther than any other was before. O(n l d) and
    O(n k d) at most, memory 8 n bytes for each space and one block.
    """
    sizes = tuple(np.einsum("id,id->i", part, part, dtype=np.float64) for part in items)
    reach = np.full(len(items[0]), np.inf)
    for start in range(0, len(labeled[0]), LABELED):
        _shrink(reach, items, sizes, tuple(part[start : start + LABELED] for part in labeled))
    picked: list[int] = []
    if not len(labeled[0]) and k > 0:
        _shrink(reach, items, sizes, tuple(part.mean(axis=0, keepdims=True) for part in items))
        picked.append(int(top_k(-_in_steps(reach), 1, rng)[0]))
        reach = np.full(len(reach), np.inf)
        _shrink(reach, items, sizes, tuple(part[picked] for part in items))
    reach[picked if closed is None else closed] = -np.inf
    while len(picked) < k:
        picked += (new := _farthest_few(reach, items, sizes, k - len(picked), rng))
        _shrink(reach, items, sizes, tuple(part[new] for part in items))
        reach[new] = -np.inf
    return np.array(picked, dtype=np.intp)


def _farthest_few(
    reach: Scores, items: tuple[Points, ...], sizes: tuple[Scores, ...], k: int, rng: np.random.Generator
) -> list[int]:
    """The next picks, 1 to k, found among the FAR items that are farthest now."""
    steps = _in_steps(reach)
    near = top_k(steps, min(FAR, len(steps)), rng)
    others = steps.copy()
    others[near] = -np.inf
    bound, step = others.max(), _step(reach)
    part, lengths, now = tuple(p[near] for p in items), tuple(size[near] for size in sizes), reach[near]
    found: list[int] = []
    while len(found) < k:
        steps = np.round(now / step)
        best = int(top_k(steps, 1, rng)[0])
        if found and steps[best] <= bound:
            break
        found.append(int(near[best]))
        _shrink(now, part, lengths, tuple(p[[best]] for p in part))
        now[best] = -np.inf
    return found


def _step(reach: Scores) -> float:
    largest = float(np.abs(reach).max(initial=0.0, where=np.isfinite(reach)))
    return largest * TOLERANCE or 1.0


def _in_steps(reach: Scores) -> Scores:
    steps: Scores = np.round(reach / _step(reach))
    return steps


def _shrink(reach: Scores, items: tuple[Points, ...], sizes: tuple[Scores, ...], others: tuple[Points, ...]) -> None:
    """`reach` (n,) becomes no larger than the squared distances, multiplied over the spaces, to any of the others."""
    for block in blocks(len(reach), CELLS // len(others[0])):
        product = np.ones((1, 1))
        for part, size, other in zip(items, sizes, others, strict=True):
            product = product * _squared(part[block], size[block], other)
        np.minimum(reach[block], product.min(axis=1), out=reach[block])


def _squared(part: Points, size: Scores, other: Points) -> Points:
    """(n, m) squared distances; `size` (n,) are the squared lengths of `part`."""
    if part.shape[1] == 1:
        return np.square(part - other.T)
    other = other.astype(part.dtype)
    squares: Points = part @ (-2 * other.T)
    squares += np.einsum("jd,jd->j", other, other)
    squares += size[:, None].astype(part.dtype)
    return np.maximum(squares, 0, out=squares)
