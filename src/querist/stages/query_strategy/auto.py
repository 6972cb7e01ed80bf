"""The default: what stands for the most of what the model has not made up its mind about, and a part at random."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from querist.core.errors import SettingError
from querist.core.label_sets import Members, predicted
from querist.core.selection import top_k
from querist.core.types import Embeddings, Pool, Probabilities, Selection
from querist.models.neighbours import inverse_lengths, nearest_point, nearest_squared, of
from querist.stages.query_strategy.distances import labeled_rows
from querist.stages.query_strategy.facility_location import GROUP, facility_location, likeness
from querist.stages.query_strategy.kmeans import stands_for
from querist.stages.query_strategy.prob_cover import RADIUS_SAMPLE, n_classes_of, pure_radius

LEAST, MOST = 3, 20
"""Candidates for each query: fewer leave nothing to choose, more let sure items in."""
FEW, WIDE = 3, 100
"""Labels for each class, on the mean, below which a model knows too little of most classes to be sure of anything, and
the candidates for each query then."""
ONE_SIDED, AROUND = 0.3, GROUP
"""Share of the predictions that the model's own probabilities do not bear out, above which its scores show the next
frequent class alone, and the candidates then, from the whole pool: as many as are compared with all others at once."""
SETTLED = 0.05
"""Share of changed predictions below which labels count as known less and less."""
COMMON = 1 / 3
"""Share of the squared length that the mean may hold before it drowns what tells items apart."""
AT_RANDOM = "drawn at random, to see what the scores do not show"


class Auto:
    """Asks for the items that stand for the most others among those that the model has not made up its mind about.

    How many those are is seen, not set: as many as changed their predicted class between the last two models, taken
    from the most uncertain ones, at least 3 and at most 20 for each query. Early models change their mind about much
    of the pool, and the batch is diverse; later ones about little, and it comes close to the highest scores. In the
    first round, without a model to compare with, the 20 for each query are candidates. With a budget, no more than it
    can still ask. With fewer than three labels for each class, on the mean, scores say little: then 100 for each query
    are, at most the less certain half of the pool, at least 20, whatever the budget. A model without an earlier
    one that predicts some of more than two classes far more often than its own probabilities say has learned which
    class is frequent and no more: its least certain items are those of the next frequent one. Then at least 4096 of the
    whole pool are, drawn at random, whatever the budget.

    An item stands for those within about a radius, the largest at which balls mostly hold one cluster only, of as many
    clusters as there are classes. Items near a labeled one count as known, but once less than 5 % of the pool changes,
    in proportion less: what is unsure beside its labels is where classes meet. Embeddings that are alike for the most
    part are compared by the rest. The share `explore` of the batch is drawn at random from the whole pool: what a model
    is sure of and wrong about, its scores never show.

    Source: candidates by score and facility location as in Wei, Iyer and Bilmes, 2015; the radius as in Yehuda, Dekel,
        Hacohen and Weinshall, 2022; changed predictions as evidence that a model has not settled as in Bloodgood and
        Vijay-Shanker, 2009; joined here, see the study.
    Cost: O(n), and O(m^2 d) among m candidates, O(4096 m d) where they are more.
    Memory: m d + min(m, 4096)^2 floats and 9 n bytes.
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
        few = too_few_labels(pool)
        wanted = n_candidates(pool.n_items, n_chosen, changed=changed, few=bool(few), budget_left=pool.budget_left)
        around = changed is None and not few and not pool.several and one_sided(pool.proba)
        if around:
            wanted = min(max(AROUND, wanted), pool.n_items)
            candidates = np.sort(rng.choice(pool.n_items, wanted, replace=False))
        else:
            candidates = top_k(pool.scores, wanted, rng)
        sample = pool.embed(np.sort(rng.choice(pool.n_items, min(RADIUS_SAMPLE, pool.n_items), replace=False)))
        turn = apart(sample)
        radius = pure_radius(turn(sample), n_classes_of(pool), rng)
        rows, labeled = turn(pool.embed(candidates)), turn(labeled_rows(pool, sample.shape[1]))
        known = likeness(nearest_squared(of(rows), wanted, labeled), radius**2) * how_far_labels_count(changed)
        best = facility_location(rows, known, radius**2, n_chosen)
        chosen = candidates[best]
        others = np.ones(pool.n_items, dtype=bool)
        others[chosen] = False
        drawn = rng.choice(np.flatnonzero(others), n_random, replace=False)
        picked = np.concatenate([chosen, drawn])
        thresholds = {"candidates": float(wanted), "radius": radius}
        if not around:
            thresholds["score"] = float(pool.scores[candidates[-1]])
        if changed is not None:
            thresholds["changed"] = changed
        return Selection(
            picked,
            pool.scores[picked],
            thresholds={**thresholds, "random": float(n_random)},
            note=_why(changed, few, wanted, pool.n_items, thresholds.get("score"), n_random),
            reasons=[
                *stands_for(nearest_point(of(rows), wanted, rows[best])[0], best, "" if around else "unsure "),
                *[AT_RANDOM] * n_random,
            ],
        )


def too_few_labels(pool: Pool) -> str:
    """ "25 labels for 77 classes", where those are less than three for each; "" else, and where labels are not told."""
    if pool.labeled_codes is None or len(pool.labeled_codes) >= FEW * n_classes_of(pool):
        return ""
    return f"{len(pool.labeled_codes)} labels for {n_classes_of(pool)} classes"


def n_candidates(n_items: int, batch_size: int, *, changed: float | None, few: bool, budget_left: int | None) -> int:
    """How many of the most uncertain items the batch is chosen among; `few`: there are too few labels to judge by."""
    if few:
        return min(WIDE * batch_size, max(MOST * batch_size, n_items // 2), n_items)
    undecided = MOST * batch_size if changed is None else round(changed * n_items)
    wanted = min(max(undecided, LEAST * batch_size), MOST * batch_size)
    if budget_left is not None:
        wanted = min(wanted, max(budget_left, LEAST * batch_size))
    return min(wanted, n_items)


def one_sided(proba: Probabilities) -> bool:
    """Whether more than 30 % of the predictions are of classes that the mean probabilities do not give as much.

    With two classes it does not matter: what is least certain is nearest to the other one.
    """
    if proba.shape[1] <= 2:
        return False
    said = np.bincount(proba.argmax(axis=1), minlength=proba.shape[1]) / len(proba)
    return float(np.maximum(said - proba.mean(axis=0, dtype=np.float64), 0).sum()) > ONE_SIDED


def apart(sample: Embeddings) -> Callable[[Embeddings], Embeddings]:
    """What turns embeddings so that distances tell what an item says, seen on a sample (n, d) of the pool.

    Where the mean holds more than a third of the squared length, as the length of long texts does, distances tell how
    much of it an item has, and what is far from everything are the shortest items. Then it is taken away and what is
    left gets length 1 (as in Mu and Viswanath, All-but-the-Top, 2018); else embeddings stay as they are.
    """
    mean = sample.mean(axis=0, dtype=np.float64)
    if mean @ mean <= COMMON * np.einsum("ij,ij->", sample, sample, dtype=np.float64) / len(sample):
        return lambda rows: rows

    def turn(rows: Embeddings) -> Embeddings:
        moved: Embeddings = np.subtract(rows, mean, dtype=np.float32)
        moved *= inverse_lengths(moved)[:, None]
        return moved

    return turn


def how_far_labels_count(changed: float | None) -> np.float32:
    """0..1: how far an item beside a labeled one counts as known, while this share of the predictions changes."""
    return np.float32(1 if changed is None else min(1, changed / SETTLED))


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


def _why(changed: float | None, few: str, wanted: int, n_items: int, threshold: float | None, n_random: int) -> str:
    seen = (
        "With no earlier model to compare with"
        if changed is None
        else f"The model changed its mind about {changed:.1%} of the pool since the last round"
    )
    seen += f", and only {few}" if few else ""
    if threshold is None:
        seen += ", and this one predicts some classes far more often than its own probabilities say"
        among = f"{wanted} items drawn from {n_items}" if wanted < n_items else f"all {n_items} items"
    else:
        among = f"the {wanted} least certain items of {n_items} (score of at least {threshold:.4g})"
    return f"{seen}: those that stand for the most of {among}{f', and {n_random} drawn at random' if n_random else ''}."
