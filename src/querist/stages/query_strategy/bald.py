"""What the label of an item would tell about the model."""

from __future__ import annotations

import numpy as np

from querist.core.selection import top_k
from querist.core.types import Pool, Selection
from querist.plugins import find
from querist.stages.query_strategy.qbc import dissent, opinions


class Bald:
    """Asks for the items whose label tells most about the model: each opinion is sure, and they differ.

    Opinions are a committee's (`query.committee` models) or those given, of MC dropout say.

    Source: Houlsby et al., 2011; Gal, Islam and Ghahramani, 2017.
    Cost: O(n s C) for s opinions, and s fits for the committee.
    Memory: 8 n bytes and a block of 20 MB, besides the opinions themselves, 4 n s C bytes.
    When: labels are noisy, since it leaves alone what no label will settle (entropy does not); costs s fits a round,
        and near duplicates are all asked at once (batch_bald asks one). In the study below random with few labels of
        many classes.
    """

    needs = frozenset({"samples"})

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        samples = opinions(pool)
        scores = find("sample_measures", "bald")(samples)
        picked = top_k(scores, batch_size, rng)
        told = zip(scores[picked], dissent(samples, picked), strict=True)
        return Selection(
            picked,
            scores[picked],
            thresholds={"score": float(scores[picked[-1]]), "models": float(len(samples))},
            note=f"The {batch_size} of {pool.n_items} items whose labels tell most about {len(samples)} models, down "
            f"to {scores[picked[-1]]:.4g} nats.",
            reasons=[f"its label tells {nats:.3f} nats about the model; {vote}" for nats, vote in told],
        )
