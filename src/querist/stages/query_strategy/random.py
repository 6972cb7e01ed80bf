"""The yardstick: every item is as good as any other."""

from __future__ import annotations

import numpy as np

from querist.core.selection import top_k
from querist.core.types import Pool, Selection


class Random:
    """Draws the batch evenly from the pool.

    Source: the yardstick of every paper.
    Cost: O(n).
    Memory: 8 n bytes.
    When: you need labels that are representative (to measure, to calibrate), or the model is not yet worth asking; it
        wastes labels on what the model knows.
    """

    needs: frozenset[str] = frozenset()

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        indices = top_k(np.zeros(pool.n_items), batch_size, rng)
        return Selection(indices, pool.scores_at(indices), note="Drawn at random, every item with the same chance.")
