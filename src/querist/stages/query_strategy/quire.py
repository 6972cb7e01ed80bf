"""Informative and representative at once, by the labels' worst case."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import SettingError
from querist.core.selection import top_k
from querist.core.types import Codes, Embeddings, Indices, Pool, Scores, Selection
from querist.models.threads import one_thread
from querist.stages.query_strategy.ask import refuse_beyond

DIGITS = 9
"""Values equal to this many decimals are a tie."""
LEAST_RIDGE = 1e-6
"""With less the kernel of copies among the labels is singular."""


class Quire:
    """Asks for the item whose worst label would disturb least what the labels and the shape of the pool say together.

    The kernel is exp(-gamma |x - z|^2), with gamma = "auto" one over the summed variance of the embeddings; `ridge`
    is the weight on smoothness. Several classes are the corners of a regular simplex, which for two is the paper's -1
    and 1. (The worst of several classes one against the rest, as scikit-activeml has it, is mostly that of the class
    whose labels fit worst: it asks for more of that class alone.) A batch is chosen one by one, each pick with the
    label that the labels before it predict. The objective is exact: in the paper and in other libraries it takes
    matrices of n x n, but its minimum has a closed form without them.

    Source: Huang et al., 2010, for two classes.
    Cost: O(n l (l + d) + n k (l + k + d + C)) for l labeled items and a batch of k: small pools.
    Memory: 8 n (3 l + k + 2 d + 4 C) bytes.
    When: a few dozen labels and smooth, dense embeddings; it trusts the kernel, not your model, and is slow and no
        better than uncertainty once the model is good.
    """

    needs = frozenset({"embeddings", "labeled_embeddings", "labels"})

    def __init__(self, *, gamma: float | str = "auto", ridge: float = 1.0) -> None:
        if gamma != "auto" and (isinstance(gamma, str) or gamma <= 0):
            raise SettingError(f'gamma = {gamma!r} of strategy quire must be "auto" or above 0')
        if not LEAST_RIDGE <= ridge < float("inf"):
            raise SettingError(f"ridge = {ridge} of strategy quire must be a number of at least {LEAST_RIDGE}")
        self.gamma, self.ridge = gamma, ridge

    def bytes_needed(self, n_items: int, n_dims: int, n_classes: int, batch_size: int) -> int:
        return bytes_of(n_items, 0, n_dims, n_classes, batch_size)

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        assert pool.embed is not None  # `needs` says so, ask() checked it
        assert pool.labeled_embeddings is not None
        assert pool.labeled_codes is not None
        labeled, codes = pool.labeled_embeddings, pool.labeled_codes
        n_classes = max(2, len(pool.classes), int(codes.max(initial=0)) + 1)
        refuse_beyond(bytes_of(pool.n_items, len(codes), labeled.shape[1], n_classes, batch_size), pool, "quire")
        points = pool.embed(slice(0, pool.n_items))
        gamma = self.gamma if isinstance(self.gamma, float | int) else auto_gamma(points)
        picked, worst = quire(points, labeled, codes, n_classes, batch_size, rng, gamma=gamma, ridge=self.ridge)
        return Selection(
            picked,
            pool.scores_at(picked),
            thresholds={"gamma": gamma, "worst": float(worst[-1])},
            note=f"The {batch_size} items whose worst label costs least, from {worst[0]:.4g} to {worst[-1]:.4g}.",
        )


def bytes_of(n_items: int, n_labeled: int, n_dims: int, n_classes: int, batch_size: int) -> int:
    return 8 * n_items * (3 * n_labeled + batch_size + 2 * n_dims + 4 * n_classes)


def auto_gamma(points: Embeddings) -> float:
    spread = float(points.var(axis=0, dtype=np.float64).sum())
    return 1 / spread if spread > 0 else 1.0


def quire(
    points: Embeddings,
    labeled: Embeddings,
    codes: Codes,
    n_classes: int,
    batch_size: int,
    rng: np.random.Generator,
    *,
    gamma: float,
    ridge: float,
) -> tuple[Indices, Scores]:
    """(k,) rows of `points` (n, d), best first, and the objective of each when it was picked, lower is better.

    The objective of x is the largest over classes c of min over real labels of the rest of tr Y' (K + ridge)^-1 Y, with
    x labeled c and rows of Y (n, C) the corners of a simplex. That minimum is tr Y' A^-1 Y over the labeled items and x
    alone, A their kernel matrix with the ridge: the same sum for each x, plus |corner_c - mean(x)|^2 / variance(x) of a
    Gaussian process.
    """
    from scipy.linalg import cholesky, solve_triangular

    n_items, n_labeled = len(points), len(labeled)
    corner = corners(n_classes)
    X = points.astype(np.float64)
    rows = np.empty((n_labeled + batch_size, n_items))
    with one_thread():
        root = cholesky(_kernel(labeled, labeled, gamma) + ridge * np.eye(n_labeled), lower=True)
        rows[:n_labeled] = solve_triangular(root, _kernel(labeled, X, gamma), lower=True)
        known = solve_triangular(root, corner[codes], lower=True)
        mean, variance = known.T @ rows[:n_labeled], 1 + ridge - (rows[:n_labeled] ** 2).sum(axis=0)
        total = (known**2).sum()
        picked, worst = np.empty(batch_size, dtype=np.intp), np.empty(batch_size)
        open_ = np.ones(n_items, dtype=bool)
        for turn in range(batch_size):
            left = np.flatnonzero(open_)
            own = mean[:, left]
            farthest = 1 - 2 * scale_of(n_classes) * own.min(axis=0) + (own**2).sum(axis=0)
            objective = total + farthest / variance[left]
            at = int(top_k(-np.round(objective, DIGITS), 1, rng)[0])
            x = picked[turn] = left[at]
            worst[turn], open_[x] = objective[at], False
            row = n_labeled + turn
            scale = np.sqrt(variance[x])
            step = (corner[mean[:, x].argmax()] - mean[:, x]) / scale
            rows[row] = (_kernel(X[[x]], X, gamma)[0] - rows[:row, x] @ rows[:row]) / scale
            mean += step[:, None] * rows[row]
            total += (step**2).sum()
            variance = np.maximum(variance - rows[row] ** 2, ridge)
    return picked, worst


def corners(n_classes: int) -> NDArray[np.float64]:
    """(C, C) points of length 1, each as far from all others; of two classes those of -1 and 1."""
    return (np.eye(n_classes) - 1 / n_classes) * scale_of(n_classes)


def scale_of(n_classes: int) -> float:
    """What makes the corners as long as 1; the inner product of corner c and a mean of corners is this times mean_c."""
    return float(np.sqrt(n_classes / (n_classes - 1)))


def _kernel(a: NDArray[np.floating], b: NDArray[np.floating], gamma: float) -> NDArray[np.float64]:
    """(len(a), len(b)) exp(-gamma |x - z|^2)."""
    left, right = a.astype(np.float64), b.astype(np.float64)
    square = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2 * left @ right.T
    near: NDArray[np.float64] = np.exp(-gamma * np.maximum(square, 0.0))
    return near
