"""Uncertain and different: gradients of the last layer, spread out as k-means++ spreads its seeds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.core.selection import top_k
from querist.core.types import Embeddings, Indices, Pool, Probabilities, Selection
from querist.models.neighbours import Embed, Floats, each_tile

DRAWS = 512
"""Draws from one set of bounds before they are brought up to date, in one matrix product."""
ROUNDING = 1e-5
"""Squared distances below this share of a gradient's own squared length are rounding, and count as 0."""


class Badge:
    """Asks for items whose gradients are long (unsure) and lie apart (different): BADGE.

    The gradient of an item is (p - onehot(argmax p)) times its embedding; it is never formed. The first pick is the
    longest gradient, as in the authors' code; each next one is drawn with probability proportional to the squared
    distance to the nearest gradient picked so far. When no gradient is left apart, the rest is drawn evenly.

    Source: Ash, Zhang, Krishnamurthy, Langford and Agarwal, Deep Batch Active Learning by Diverse, Uncertain Gradient
        Lower Bounds, 2020.
    Cost: O(n k (d + C)), in about k / 200 passes over the pool.
    Memory: 24 n bytes and tiles, whatever the number of classes.
    When: a sound first choice with batches of any size; loses where probabilities say little, with few labels.
    """

    needs = frozenset({"proba", "embeddings"})

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        assert pool.proba is not None  # `needs` says so, ask() checked it
        assert pool.embed is not None
        picked, n_apart = spread_gradients(pool.embed, pool.proba, batch_size, rng)
        rest = "" if n_apart == batch_size else f" {batch_size - n_apart} more, drawn evenly, lie where others do."
        return Selection(
            picked,
            pool.scores_at(picked),
            thresholds={"apart": float(n_apart)},
            note=f"{n_apart} items whose gradients are long and lie apart, the longest first.{rest}",
        )


def spread_gradients(
    embed: Embed, proba: Probabilities, k: int, rng: np.random.Generator, *, draws: int = DRAWS
) -> tuple[Indices, int]:
    """(k,) picks by k-means++ seeding on the gradients, and how many came before all others coincided with a pick.

    |g_i - g_j|^2 = |a_i|^2 |x_i|^2 + |a_j|^2 |x_j|^2 - 2 (a_i . a_j)(x_i . x_j) with a = p - onehot. Items are drawn by
    the squared distances as they were some picks ago, which are upper bounds, and taken with the chance that makes up
    for it: the same distribution as with distances brought up to date for each pick.
    """
    lengths = _squared_lengths(embed, proba)
    picked = [int(top_k(lengths, 1, rng)[0])]
    bounds = _after(embed, proba, lengths, np.full_like(lengths, np.inf), np.array(picked))
    while len(picked) < k:
        cumulated = np.cumsum(bounds, dtype=np.float64)
        if cumulated[-1] <= 0:
            break
        drawn = np.searchsorted(cumulated, rng.random(draws) * cumulated[-1], side="right")
        drawn = np.minimum(drawn, np.searchsorted(cumulated, cumulated[-1]))
        taken = _accept(embed(drawn), offsets(proba[drawn]), bounds[drawn], rng.random(draws), k - len(picked))
        picked += drawn[taken].tolist()
        if len(picked) < k:
            bounds = _after(embed, proba, lengths, bounds, drawn[taken])
    n_apart = len(picked)
    if n_apart < k:
        others = np.setdiff1d(np.arange(len(proba)), picked)
        picked += others[top_k(np.zeros(len(others)), k - n_apart, rng)].tolist()
    return np.array(picked, dtype=np.intp), n_apart


def offsets(proba: Probabilities) -> Floats:
    """(n, n_classes) p - onehot(argmax p): the gradient of the log loss by the logits, if the model were right."""
    found = proba.astype(np.float32)
    found[np.arange(len(found)), proba.argmax(axis=1)] -= 1
    return found


def _squared_lengths(embed: Embed, proba: Probabilities) -> Floats:
    lengths = np.zeros(len(proba), dtype=np.float32)

    def work(at: slice, rows: Embeddings) -> None:
        off = offsets(proba[at])
        lengths[at] = np.einsum("ij,ij->i", off, off) * np.einsum("ij,ij->i", rows, rows)

    each_tile(embed, len(proba), work)
    return lengths


def _after(embed: Embed, proba: Probabilities, lengths: Floats, bounds: Floats, picked: Indices) -> Floats:
    """(n,) squared distance to the nearest of the earlier picks, `bounds`, and of those `picked` now."""
    points, weights = embed(picked), -2 * offsets(proba[picked])
    found = np.empty_like(bounds)

    def work(at: slice, rows: Embeddings) -> None:
        products = rows @ points.T
        products *= offsets(proba[at]) @ weights.T
        products += lengths[picked]
        near = products.min(axis=1) + lengths[at]
        near[near <= ROUNDING * lengths[at]] = 0
        found[at] = np.minimum(bounds[at], near)

    each_tile(embed, len(proba), work)
    found[picked] = 0
    return found


def _accept(
    rows: Embeddings, weights: Floats, bounds: Floats, chance: NDArray[np.float64], limit: int
) -> NDArray[np.intp]:
    """Which of the drawn items are taken, in their order: each with the chance of its distance now over its bound."""
    x, a = rows.astype(np.float64), weights.astype(np.float64)
    gram = (x @ x.T) * (a @ a.T)
    length = np.diag(gram)
    apart = np.maximum(length[:, None] + length - 2 * gram, 0)
    now = bounds.astype(np.float64)
    taken: list[int] = []
    for i in range(len(rows)):
        if now[i] > ROUNDING * length[i] and chance[i] * bounds[i] < now[i]:
            taken.append(i)
            if len(taken) == limit:
                break
            np.minimum(now, apart[i], out=now)
    return np.array(taken, dtype=np.intp)
