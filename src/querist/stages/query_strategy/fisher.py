"""The batch that leaves a linear model least uncertain about the pool: Fisher information."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from querist.core.checks import blocks
from querist.core.errors import SettingError
from querist.core.selection import top_k
from querist.core.types import Embeddings, Indices, Pool, Probabilities, Scores, Selection
from querist.models.threads import one_thread

Square = NDArray[np.floating]
"""(n_dims, n_dims)"""
ROWS = 16_384
DIGITS = 5
"""Gains that agree to this many digits of the largest are ties, since embeddings are float32."""


class Fisher:
    """Asks for the batch after which a linear model's error on the pool is expected to be least, as BAIT does.

    With F the Fisher information of the pool and M that of the labeled items and the batch, the batch is to make
    trace(M^-1 F) small; it grows one item at a time, each the best by itself given those before, without BAIT's step
    back. The class part of an item's information is its trace, 1 - |p|^2, so that M has d x d numbers and an item
    changes it by rank one: with two classes this is exact, with more it leaves out which classes an item tells apart.
    `ridge` is the prior's information; labeled items count with the mean 1 - |p|^2 of the pool. The `candidates` that
    gain most by themselves are looked at.

    Source: Ash, Goel, Krishnamurthy and Kakade, 2021 (BAIT).
    Cost: O(n d^2) and two passes over the embeddings, then O(candidates d) for each pick.
    Memory: 4 d bytes for each candidate (30 MB of 384 dimensions), 24 n, 40 d^2 and one block.
    When: TF-IDF with few labels and several classes, where it was the best of the study; elsewhere near the best. With
        poor probabilities it is a density measure, and d^2 is too much beyond some thousand dimensions.
    """

    needs = frozenset({"proba", "embeddings", "labeled_embeddings"})

    def __init__(self, *, candidates: int = 20_000, ridge: float = 1.0) -> None:
        if candidates < 1:
            raise SettingError(f"candidates = {candidates} of strategy fisher must be at least 1")
        if not 0 < ridge < float("inf"):
            raise SettingError(f"ridge = {ridge} of strategy fisher must be a number above 0")
        self.candidates = candidates
        self.ridge = ridge

    def bytes_needed(self, n_items: int, n_dims: int, n_classes: int, batch_size: int) -> int:
        near = min(max(self.candidates, batch_size), n_items)
        return 24 * n_items + 4 * near * n_dims + 40 * n_dims**2 + 12 * ROWS * n_dims

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        assert pool.proba is not None  # `needs` says so, ask() checked it
        assert pool.embed is not None
        assert pool.labeled_embeddings is not None
        weight = information(pool.proba)
        target = _weighted(pool.embed, weight, pool.n_items)
        known = pool.labeled_embeddings
        ours = _weighted(lambda at: known[at], np.full(len(known), weight.mean()), len(known))
        inverse = np.linalg.inv(ours + self.ridge * np.eye(len(ours)))
        first = _first_gains(pool.embed, weight, inverse, target)
        near = np.sort(top_k(_rounded(first), min(max(self.candidates, batch_size), pool.n_items), rng))
        with one_thread(only="blas"):  # many small products, whose threads would wait for each other
            chosen, gains = greedy_trace(pool.embed(near), weight[near], inverse, target, batch_size, rng)
        before = float((inverse * target).sum())
        left = (before - gains.sum()) / before if before > 0 else 1.0
        return Selection(
            near[chosen],
            gains,
            thresholds={"candidates": float(len(near)), "trace": before, "trace_left": before - float(gains.sum())},
            note=f"{batch_size} of {len(near)} candidates that leave a linear model {left:.1%} of its expected error "
            "on the pool.",
            reasons=[f"takes {gain / before if before > 0 else 0:.2%} off the expected error" for gain in gains],
        )


def information(proba: Probabilities) -> Scores:
    """(n_items,) 1 - |p|^2, the trace of diag(p) - p p^T."""
    weight = np.empty(len(proba))
    for block in blocks(len(proba)):
        part = np.asarray(proba[block], dtype=np.float64)
        weight[block] = np.maximum(1 - np.einsum("ic,ic->i", part, part), 0.0)
    return weight


def greedy_trace(
    X: Embeddings, weight: Scores, inverse: Square, target: Square, k: int, rng: np.random.Generator
) -> tuple[Indices, Scores]:
    """(k,) rows of X, each that which takes most off trace(M^-1 F), and how much.

    `inverse` is M^-1 before the first pick and `target` F. An item with weight w takes w x^T A F A x / (1 + w x^T A x)
    off, A being M^-1; both forms are kept for all items and mended by rank one after each pick.
    """
    A, B = inverse, inverse @ target @ inverse
    spread, worth = _form(X, A), _form(X, B)
    picked: list[int] = []
    gains: list[float] = []
    for _ in range(k):
        gain = weight * worth / (1 + weight * spread)
        rounded = _rounded(gain)
        rounded[picked] = -np.inf
        best = int(top_k(rounded, 1, rng)[0])
        picked.append(best)
        gains.append(float(gain[best]))
        x, scale = X[best].astype(np.float64), weight[best] / (1 + weight[best] * spread[best])
        u, w = A @ x, B @ x
        a, b = (X @ np.column_stack([u, w]).astype(X.dtype)).astype(np.float64).T
        inner = float(x @ w)
        spread = np.maximum(spread - scale * a**2, 0.0)
        worth = np.maximum(worth - 2 * scale * a * b + scale**2 * inner * a**2, 0.0)
        v = w - scale * inner / 2 * u
        A = A - scale * np.outer(u, u)
        B = B - scale * np.column_stack([u, v]) @ np.stack([v, u])
    return np.array(picked, dtype=np.intp), np.array(gains)


def _weighted(embed: Callable[[slice], Embeddings], weight: Scores, n_items: int) -> Square:
    """sum_i w_i x_i x_i^T."""
    n_dims = embed(slice(0, 1)).shape[1]
    total = np.zeros((n_dims, n_dims))
    for block in blocks(n_items, ROWS):
        part = embed(block) * np.sqrt(weight[block, None]).astype(np.float32)
        total += part.T @ part
    return total


def _first_gains(embed: Callable[[slice], Embeddings], weight: Scores, inverse: Square, target: Square) -> Scores:
    worth = inverse @ target @ inverse
    gains = np.empty(len(weight))
    for block in blocks(len(weight), ROWS):
        part = embed(block)
        gains[block] = weight[block] * _form(part, worth) / (1 + weight[block] * _form(part, inverse))
    return gains


def _form(X: Embeddings, matrix: Square) -> Scores:
    """(n_items,) x^T M x."""
    forms = np.empty(len(X))
    for block in blocks(len(X), ROWS):
        part = X[block]
        forms[block] = np.einsum("id,id->i", part @ matrix.astype(part.dtype), part)
    return np.maximum(forms, 0.0)


def _rounded(gains: Scores) -> Scores:
    largest = gains.max()
    return np.round(gains / largest, DIGITS) if largest > 0 else np.zeros(len(gains))
