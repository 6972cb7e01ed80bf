"""The items the model is least sure of."""

from __future__ import annotations

import numpy as np

from querist.core.selection import top_k
from querist.core.types import Pool, Selection


class Uncertainty:
    """Takes the highest scores of the pool.

    Source: Lewis and Gale, 1994.
    Cost: O(n).
    Memory: 8 n bytes.
    When: the model is decent and batches are small; with large batches it asks near copies of one question, and with
        many classes entropy asks for noise where the margin does not.
    """

    needs = frozenset({"scores"})

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        assert pool.scores is not None  # `needs` says so, ask() checked it
        indices = top_k(pool.scores, batch_size, rng)
        scores = pool.scores[indices]
        return Selection(
            indices,
            scores,
            thresholds={"score": float(scores[-1])},
            note=f"The {batch_size} highest scores of {pool.n_items}, down to {scores[-1]:.4g}.",
        )
