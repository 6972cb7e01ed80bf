"""Query by committee: where several models disagree."""

from __future__ import annotations

import numpy as np

from querist.core.checks import check_samples
from querist.core.selection import top_k
from querist.core.types import Indices, Pool, Probabilities, Selection
from querist.plugins import find


class QueryByCommittee:
    """Asks for the items on which several opinions disagree most.

    Opinions are a committee's (`query.committee` models, each trained on its own draw of the labels) or those given.
    `measure` is vote_entropy, bald, mean_kl, max_disagreement, variation_ratio, predictive_variance,
    consensus_entropy, expected_entropy or a plugin's.

    Source: Seung, Opper and Sompolinsky, 1992; Engelson and Dagan, 1996; by bagging: Abe and Mamitsuka, 1998.
    Cost: O(n s C) for s opinions, and s fits for the committee.
    Memory: 8 n bytes and a block of 20 MB, besides the opinions themselves, 4 n s C bytes.
    When: the model's own probabilities cannot be trusted, as with trees; costs s fits a round, and votes of few members
        tie so often that much of the order is random. The batch is not kept varied.
    """

    needs = frozenset({"samples"})

    def __init__(self, *, measure: str = "vote_entropy") -> None:
        self.measure = measure
        self._score = find("sample_measures", measure)

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        samples = opinions(pool)
        scores = self._score(samples)
        picked = top_k(scores, batch_size, rng)
        return Selection(
            picked,
            scores[picked],
            thresholds={"score": float(scores[picked[-1]]), "models": float(len(samples))},
            note=f"The {batch_size} of {pool.n_items} items on which {len(samples)} models disagree most "
            f"({self.measure} down to {scores[picked[-1]]:.4g}).",
            reasons=dissent(samples, picked),
        )


def opinions(pool: Pool) -> Probabilities:
    """(n_samples, n_items, n_classes), checked. Raises ShapeError."""
    assert pool.samples is not None  # `needs` says so, ask() checked it
    return check_samples(pool.samples(), n_items=pool.n_items)


def dissent(samples: Probabilities, picked: Indices) -> list[str]:
    """For each pick how many of the models are not of the majority's opinion."""
    votes = samples[:, picked].argmax(axis=2)
    majority = (votes[:, None] == votes[None]).sum(axis=1).max(axis=0)
    return [f"{len(samples) - count} of {len(samples)} models disagree with the others" for count in majority]
