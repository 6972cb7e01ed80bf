"""How far an item's label would move the model."""

from __future__ import annotations

import numpy as np

from querist.core.checks import blocks
from querist.core.selection import top_k
from querist.core.types import Embeddings, Pool, Probabilities, Scores, Selection

ROWS = 16_384
DECIMALS = 12
"""The same terms summed in another order differ by less; rounding leaves them tied, for the generator to decide."""


class ExpectedModelChange:
    """Asks for the items whose label is expected to move a linear model most: the longest gradient.

    The gradient of the log loss of a softmax layer on embedding x under label y has the length |p - e_y| |x|, and y is
    expected as the model says: sum_y p_y |p - e_y| |x|.

    Source: Settles, Craven and Ray, 2008 (expected gradient length).
    Cost: O(n (C + d)), one pass over the embeddings.
    Memory: 8 n bytes and one block.
    When: rows have lengths that mean something (a long review tells more than a short one); with unit rows it is one
        more uncertainty measure, and where lengths are noise it asks for the longest rows. Not kept varied.
    """

    needs = frozenset({"proba", "embeddings"})

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        assert pool.proba is not None  # `needs` says so, ask() checked it
        assert pool.embed is not None
        scores = np.empty(pool.n_items)
        for block in blocks(pool.n_items, ROWS):
            scores[block] = expected_gradient_length(pool.proba[block], pool.embed(block))
        picked = top_k(scores, batch_size, rng)
        return Selection(
            picked,
            scores[picked],
            thresholds={"score": float(scores[picked[-1]])},
            note=f"The {batch_size} of {pool.n_items} items that are expected to change a linear model most, down to a "
            f"gradient of {scores[picked[-1]]:.4g}.",
            reasons=[f"its label is expected to move the model by {length:.4g}" for length in scores[picked]],
        )


def expected_gradient_length(proba: Probabilities, embeddings: Embeddings) -> Scores:
    """(n_items,) sum_y p_y |p - e_y| |x|, from (n_items, n_classes) and (n_items, n_dims)."""
    proba = np.asarray(proba, dtype=np.float64)
    squares = np.einsum("ic,ic->i", proba, proba)[:, None] - 2 * proba + 1
    residual = (proba * np.sqrt(np.maximum(squares, 0.0))).sum(axis=1)
    length = np.sqrt(np.einsum("id,id->i", embeddings, embeddings, dtype=np.float64))
    scores: Scores = np.round(residual * length, DECIMALS)
    return scores
