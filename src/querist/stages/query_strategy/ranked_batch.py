"""A batch ranked by novelty and uncertainty, as modAL does it."""

from __future__ import annotations

import numpy as np

from querist.core.types import Indices, Pool, Scores, Selection
from querist.stages.query_strategy.distances import labeled_rows, nearest_labeled
from querist.stages.query_strategy.farthest import Worth, begin, farthest_first, grain_of


class RankedBatch:
    """Asks for the highest a (1 - similarity) + (1 - a) score, again and again, with a = unlabeled / all items.

    Similarity is 1 / (1 + distance) to the nearest labeled or asked item, and a shrinks as items are asked, as in
    modAL. Without any label the first pick is the item in the middle.

    Source: Cardoso, Silva, Canuto, Moro and Goncalves, Ranked batch-mode active learning, 2017.
    Cost: O(n l d) at most, with l labeled items, and mostly a quarter of it: the rest is left where it cannot matter.
        Later rounds keep the distances and look at the 1,024 farthest items, O(l d), or, where that does not decide, at
        all: O(n k d) for each round since.
    Memory: 40 n bytes and tiles.
    When: cold starts, where novelty counts most; in a large pool a is near 1 and it is core_set in all but name.
    """

    needs = frozenset({"scores", "embeddings", "labeled_embeddings"})

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        assert pool.scores is not None  # `needs` says so, ask() checked it
        assert pool.embed is not None
        near, late = nearest_labeled(pool)
        labeled = labeled_rows(pool, pool.embed(slice(0, 1)).shape[1])
        start, near, points = begin(pool.embed, near, labeled, rng)
        scores, n_items, n_labeled = pool.scores, pool.n_items, len(labeled)

        def value(squared: Scores, at: Indices | slice, number: int) -> Scores:
            novelty = (n_items - number) / (n_items + n_labeled)
            worth: Scores = novelty * (1 - 1 / (1 + np.sqrt(squared))) + (1 - novelty) * scores[at]
            return worth

        grain = grain_of(1 + float(np.abs(scores).max()))
        worth = Worth(value, grain)
        picked, squared = farthest_first(pool.embed, near, points, batch_size, worth, rng, start=start, late=late)
        novelty = n_items / (n_items + n_labeled)
        return Selection(
            picked,
            pool.scores_at(picked),
            thresholds={"novelty_weight": novelty},
            note=f"Ranked by novelty (weight {novelty:.2f}) and score; each pick makes items like it less novel.",
            reasons=[
                "nearest to the middle of the pool" if np.isinf(far) else f"{far:.3g} from what is labeled or asked"
                for far in np.sqrt(squared)
            ],
        )
