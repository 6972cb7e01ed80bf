"""Items the model reads otherwise than their nearest labeled neighbours."""

from __future__ import annotations

import numpy as np

from querist.core.errors import SettingError
from querist.core.selection import top_k
from querist.core.types import Embeddings, Pool, Probabilities, Scores, Selection
from querist.models.neighbours import Embed, Points, each_tile, rows_for
from querist.stages.query_strategy.distances import labeled_rows

LEAST = 1e-12
"""A probability of 0 counts as this, so that no divergence is infinite."""
DIGITS = 6


class Contrastive:
    """Asks for the highest mean divergence KL(p(neighbour) || p(item)) from the `neighbours` nearest labeled items.

    Source: Margatina, Vernikos, Barrault and Aletras, Active Learning by Acquiring Contrastive Examples, 2021.
    Cost: O(n l d) with l labeled items.
    Memory: 16 n bytes and tiles of l columns.
    When: a tuned encoder whose neighbours share a class; with few labels the nearest ones are far and say little:
        in the study mostly worse than random.
    """

    needs = frozenset({"proba", "embeddings", "labeled_embeddings", "labeled_proba"})

    def __init__(self, *, neighbours: int = 10) -> None:
        if neighbours < 1:
            raise SettingError(f"neighbours = {neighbours} of strategy cal must be at least 1")
        self.neighbours = neighbours

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        assert pool.proba is not None  # `needs` says so, ask() checked it
        assert pool.embed is not None
        assert pool.labeled_proba is not None
        labeled = labeled_rows(pool, pool.embed(slice(0, 1)).shape[1])
        values = contrast(pool.embed, pool.proba, labeled, pool.labeled_proba, self.neighbours)
        picked = top_k(values, batch_size, rng)
        least = float(values[picked[-1]])
        return Selection(
            picked,
            pool.scores_at(picked),
            thresholds={"divergence": least},
            note=f"The {batch_size} of {pool.n_items} items read most otherwise than their {self.neighbours} nearest "
            f"labeled neighbours, down to {least:.3g} nats.",
            reasons=[f"{values[i]:.2f} nats from how its labeled neighbours are read" for i in picked],
        )


def contrast(embed: Embed, proba: Probabilities, labeled: Embeddings, theirs: Probabilities, neighbours: int) -> Scores:
    """(n,) mean KL(p(neighbour) || p(item)) in nats over the nearest labeled items; 0 where nothing is labeled.

    `labeled` (n_labeled, n_dims) with predictions `theirs` (n_labeled, n_classes).
    """
    values = np.zeros(len(proba))
    if not len(labeled):
        return values
    k = min(neighbours, len(labeled))
    to = Points(labeled)
    logs = np.log(np.maximum(theirs, LEAST))
    negative_entropy = np.einsum("ij,ij->i", theirs, logs)

    def work(at: slice, rows: Embeddings) -> None:
        nearest = np.argpartition(to.squared(rows), k - 1, axis=1)[:, :k]
        cross = np.einsum("ij,ij->i", theirs[nearest].mean(axis=1), np.log(np.maximum(proba[at], LEAST)))
        values[at] = negative_entropy[nearest].mean(axis=1) - cross

    each_tile(embed, len(proba), work, tile_rows=rows_for(len(to)))
    return np.round(np.maximum(values, 0), DIGITS)
