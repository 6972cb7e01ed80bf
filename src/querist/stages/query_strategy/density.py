"""Uncertain and typical: the score weighed by how similar an item is to the rest of the pool."""

from __future__ import annotations

import numpy as np

from querist.core.errors import SettingError
from querist.core.selection import top_k
from querist.core.types import Embeddings, Pool, Scores, Selection
from querist.models.neighbours import Embed, each_tile, inverse_lengths, mean_row

DIGITS = 6
"""Similarities are rounded to this, so that rounding in sums does not tell twins apart."""


class InformationDensity:
    """Asks for the highest score x (mean cosine similarity to the pool) ^ `beta`.

    The mean similarity of an item is its product with the mean of all directions, so nothing quadratic is needed.
    An item that is on the whole opposite to the others has density 0.

    Source: Settles and Craven, An Analysis of Active Learning Strategies for Sequence Labeling Tasks, 2008.
    Cost: O(n d), two passes over the pool.
    Memory: 24 n bytes and tiles.
    When: noisy pools with outliers that look uncertain. In the study far below random on text with many classes.
    """

    needs = frozenset({"scores", "embeddings"})

    def __init__(self, *, beta: float = 1.0) -> None:
        if beta < 0:
            raise SettingError(f"beta = {beta} of strategy density must be at least 0")
        self.beta = beta

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        assert pool.scores is not None  # `needs` says so, ask() checked it
        assert pool.embed is not None
        similarity = mean_similarity(pool.embed, pool.n_items)
        # A score below 0 times a density would turn the order round.
        scores = pool.scores - min(float(pool.scores.min()), 0.0)
        weighted = scores * np.maximum(similarity, 0) ** self.beta
        picked = top_k(weighted, batch_size, rng)
        least = float(weighted[picked[-1]])
        return Selection(
            picked,
            pool.scores_at(picked),
            thresholds={"weighted_score": least},
            note=f"The {batch_size} highest scores of {pool.n_items} weighed by density, down to {least:.4g}.",
            reasons=[f"{similarity[i]:.2f} similar to the pool on average" for i in picked],
        )


def mean_similarity(embed: Embed, n_items: int) -> Scores:
    """(n,) mean cosine similarity of each item to all, itself among them; 0 for a row of zeros."""
    middle = mean_row(embed, n_items, unit=True).astype(np.float32)
    found = np.zeros(n_items, dtype=np.float32)

    def work(at: slice, rows: Embeddings) -> None:
        found[at] = (rows @ middle) * inverse_lengths(rows)

    each_tile(embed, n_items, work)
    return np.round(found.astype(np.float64), DIGITS)
