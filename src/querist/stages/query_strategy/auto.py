"""The default: diverse while the model changes its mind, uncertain once it has settled, always a part at random."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import SettingError
from querist.core.label_sets import Members, predicted
from querist.core.selection import top_k
from querist.core.types import Embeddings, Indices, Pool, Probabilities, Scores, Selection
from querist.models.neighbours import nearest_point, of
from querist.models.threads import one_thread
from querist.stages.query_strategy.distances import labeled_rows
from querist.stages.query_strategy.fisher import greedy_trace, second_moment
from querist.stages.query_strategy.kmeans import stands_for

LEAST = 3
"""Undecided items for each query: fewer leave nothing to choose."""
WIDEST, MOST = 0.1, 5000
"""The largest share and number of the pool that counts as undecided: more let sure items in, and cost time."""
REACH = 4
"""Items looked at for each undecided one; beyond, the weights are below 0.0004."""
RIDGE = 1.0
"""What is known before the first label in any direction, in labels of mean length."""
AT_RANDOM = "drawn at random, to see what the scores do not show"


class Auto:
    """Asks for what tells a linear model most about the items that it has not made up its mind about.

    How many those are is seen, not set: as many as changed their predicted class between the last two models, at least
    3 for each query, at most a tenth of the pool or 5,000; a tenth in the first round, without a model to compare with.
    With a budget, no more than it can still ask. Items count by their rank in uncertainty, with weights that fade so
    that their effective number is that one. The batch grows item by item, each the one that lowers the expected error
    on the weighted items most, given what is labeled and picked before: like many that are undecided, unlike what is
    known. Early models change their mind about much of the pool, and the batch is diverse; later ones about little, and
    it comes close to the highest scores. The share `explore` of the batch is drawn at random from the whole pool: what
    a model is sure of and wrong about, its scores never show.

    Source: the design as in Ash, Goel, Krishnamurthy and Kakade, 2021 (BAIT), with weights by rank for the Fisher
        information; changed predictions as evidence that a model has not settled as in Bloodgood and Vijay-Shanker,
        2009; joined here, see the study.
    Cost: O(n), and O(m d (b + d)) for a batch of b among m items, at most 20,000 or 12 b.
    Memory: 2 m d floats, 40 d^2 bytes and 9 n.
    When: unless you know better: in the study the best mean rank, and nowhere worse than random.
    """

    needs = frozenset({"scores", "proba", "previous_proba", "embeddings", "labeled_embeddings"})
    spares = frozenset({"labeled_embeddings"})
    several = True
    """Asks about items with several labels, too: their set of predicted labels is what changes."""

    def __init__(self, *, explore: float = 0.05) -> None:
        if not 0 <= explore < 1:
            raise SettingError(f"explore = {explore} of strategy auto must be at least 0 and less than 1")
        self.explore = explore

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        assert pool.scores is not None  # `needs` says so, ask() checked it
        assert pool.proba is not None
        assert pool.embed is not None
        before, say = pool.previous_proba, predicted if pool.several else None
        changed = None if before is None else share_changed(pool.proba, before, say)
        n_random = int(self.explore * batch_size + 0.5)
        n_chosen = batch_size - n_random
        wanted = n_undecided(pool.n_items, n_chosen, changed=changed, budget_left=pool.budget_left)
        seen = np.sort(top_k(pool.scores, min(REACH * wanted, pool.n_items), rng))
        rows, scores = pool.embed(seen), pool.scores[seen]
        best = design(rows, fading(scores, wanted), labeled_rows(pool, rows.shape[1]), n_chosen, rng)
        chosen = seen[best]
        others = np.ones(pool.n_items, dtype=bool)
        others[chosen] = False
        drawn = rng.choice(np.flatnonzero(others), n_random, replace=False)
        picked = np.concatenate([chosen, drawn])
        undecided = top_k(scores, wanted, rng)
        threshold = float(scores[undecided].min())
        thresholds = {"score": threshold, "undecided": float(wanted), "seen": float(len(seen))}
        if changed is not None:
            thresholds["changed"] = changed
        return Selection(
            picked,
            pool.scores[picked],
            thresholds={**thresholds, "random": float(n_random)},
            note=_why(changed, wanted, pool.n_items, threshold, n_random),
            reasons=[*_stand_for(rows, undecided, best), *[AT_RANDOM] * n_random],
        )


def n_undecided(n_items: int, batch_size: int, *, changed: float | None, budget_left: int | None) -> int:
    """How many of the most uncertain items the batch is to tell about."""
    share = WIDEST if changed is None else min(changed, WIDEST)
    wanted = max(min(round(share * n_items), MOST), LEAST * batch_size)
    if budget_left is not None:
        wanted = min(wanted, max(budget_left, LEAST * batch_size))
    return min(wanted, n_items)


def fading(scores: Scores, wanted: int) -> Scores:
    """(n,) weights exp(-2 rank / wanted), whose effective number (sum w)^2 / sum w^2 is `wanted` in a large pool.

    The rank is 0.5 at the highest score; equal scores share the mean of theirs.
    """
    _, place, counts = np.unique(-scores, return_inverse=True, return_counts=True)
    rank = np.cumsum(counts) - counts / 2
    weights: Scores = np.exp(-2 * rank[place] / wanted)
    return weights


def design(
    rows: Embeddings, weights: Scores, labeled: Embeddings, k: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """(k,) of the rows (m, d), those which leave a linear model least uncertain about the rows by their weights (m,).

    `labeled` (n_labeled, d) is what it knows already. Of copies one is taken, as long as there are other rows.
    """
    apart = _without_copies(rows)
    if len(apart) < k:
        apart = np.arange(len(rows))
    length = float(np.einsum("ij,ij->", rows, rows, dtype=np.float64)) / len(rows)
    with one_thread(only="blas"):  # many small products, whose threads would wait for each other
        known = second_moment(of(labeled), np.ones(len(labeled)), len(labeled))
        inverse = np.linalg.inv(known + RIDGE * (length or 1.0) * np.eye(len(known)))
        target = second_moment(of(rows), weights, len(rows))
        return apart[greedy_trace(rows[apart], weights[apart], inverse, target, k, rng)[0]]


def share_changed(
    proba: Probabilities, previous: Probabilities, say: Callable[[Probabilities], Members] | None = None
) -> float | None:
    """The share of the items whose most probable class is another than before; None where nothing is known of before.

    Both (n_items, n_classes); items that were not there before have NaN in `previous`. Of several labels it is the set
    that `say` predicts.
    """
    known = ~np.isnan(previous[:, 0])
    if say is None:
        changed = proba.argmax(axis=1) != previous.argmax(axis=1)
    else:
        changed = (say(proba) != say(previous)).any(axis=1)
    return float(changed[known].mean()) if known.any() else None


def _without_copies(rows: Embeddings) -> Indices:
    """The first of each set of equal rows."""
    whole = np.ascontiguousarray(rows)
    return np.sort(np.unique(whole.view(f"V{whole.strides[0]}").ravel(), return_index=True)[1])


def _stand_for(rows: Embeddings, undecided: Indices, picked: NDArray[np.intp]) -> list[str]:
    """For each pick, how many undecided items are nearer to it than to the other picks."""
    group = np.union1d(undecided, picked)
    nearest, _ = nearest_point(lambda at: rows[group[at]], len(group), rows[picked])
    return stands_for(nearest, np.searchsorted(group, picked))


def _why(changed: float | None, wanted: int, n_items: int, threshold: float, n_random: int) -> str:
    seen = (
        "With no earlier model to compare with"
        if changed is None
        else f"The model changed its mind about {changed:.1%} of the pool since the last round"
    )
    among = f"the {wanted} least certain items of {n_items} (score of at least {threshold:.4g})"
    return f"{seen}: what tells most about {among}{f', and {n_random} drawn at random' if n_random else ''}."
