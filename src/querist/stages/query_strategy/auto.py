"""The default: diverse while the model still changes its mind, uncertain once it has settled."""

from __future__ import annotations

import numpy as np

from querist.core.selection import top_k
from querist.core.types import Pool, Probabilities, Selection
from querist.models.clusters import quick_clusters
from querist.stages.query_strategy.kmeans import round_robin, stands_for

LEAST, MOST = 3, 20
"""Candidates for each query: fewer leave nothing to choose, more let sure items in."""


class Auto:
    """Spreads the batch over the items that the model has not made up its mind about, one near each of many centres.

    How many those are is seen, not set: as many as changed their predicted class between the last two models, taken
    from the most uncertain ones, at least 3 and at most 20 for each query. Early models change their mind about much
    of the pool, and the batch is diverse; later ones about little, and it comes close to the highest scores. In the
    first round, without a model to compare with, the 20 for each query are candidates. With a budget, no more than it
    can still ask.

    Source: candidates by score and k-means as in Zhdanov, 2019; changed predictions as evidence that a model has not
        settled as in Bloodgood and Vijay-Shanker, 2009; joined here, see the study.
    Cost: O(n), and O(m b d) for a batch of b among m candidates.
    Memory: m (b + d) floats and 9 n bytes.
    When: unless you know better; see the study.
    """

    needs = frozenset({"scores", "proba", "previous_proba", "embeddings"})

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        assert pool.scores is not None  # `needs` says so, ask() checked it
        assert pool.proba is not None
        assert pool.embed is not None
        changed = None if pool.previous_proba is None else share_changed(pool.proba, pool.previous_proba)
        wanted = n_candidates(pool.n_items, batch_size, changed=changed, budget_left=pool.budget_left)
        candidates = np.sort(top_k(pool.scores, wanted, rng))
        cluster, distance = quick_clusters(pool.embed(candidates), batch_size, rng)
        scores = pool.scores[candidates]
        best = round_robin(scores, cluster, distance, batch_size, rng)
        threshold = float(scores.min())
        thresholds = {"score": threshold, "candidates": float(wanted), "clusters": float(cluster.max() + 1)}
        if changed is not None:
            thresholds["changed"] = changed
        return Selection(
            candidates[best],
            scores[best],
            thresholds=thresholds,
            note=_why(changed, wanted, pool.n_items, threshold),
            reasons=stands_for(cluster, best),
        )


def n_candidates(n_items: int, batch_size: int, *, changed: float | None, budget_left: int | None) -> int:
    """How many of the most uncertain items the batch is chosen among."""
    undecided = MOST * batch_size if changed is None else round(changed * n_items)
    wanted = min(max(undecided, LEAST * batch_size), MOST * batch_size)
    if budget_left is not None:
        wanted = min(wanted, max(budget_left, LEAST * batch_size))
    return min(wanted, n_items)


def share_changed(proba: Probabilities, previous: Probabilities) -> float | None:
    """The share of the items whose most probable class is another than before; None where nothing is known of before.

    Both (n_items, n_classes); items that were not there before have NaN in `previous`.
    """
    known = ~np.isnan(previous[:, 0])
    changed = proba.argmax(axis=1) != previous.argmax(axis=1)
    return float(changed[known].mean()) if known.any() else None


def _why(changed: float | None, wanted: int, n_items: int, threshold: float) -> str:
    among = f"the {wanted} least certain items of {n_items} (score of at least {threshold:.4g})"
    if changed is None:
        return f"With no earlier model to compare with, spread over {among}."
    return f"The model changed its mind about {changed:.1%} of the pool since the last round; spread over {among}."
