"""How far the annotators agree, from the record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from math import isnan
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from querist.core.label_sets import LabelSets
from querist.stages.human_labeling import agreement as figures
from querist.stages.human_labeling.gold import GoldResult, gold_accuracy, gold_results
from querist.stages.human_labeling.resolve import Table, sort_out, tabulate
from querist.stages.human_labeling.step import is_gold, is_ruling, standing, vote_of
from querist.store.annotations import Annotation, list_annotations
from querist.store.rounds import get_round, list_queries

if TYPE_CHECKING:
    from querist.pipeline.project import Project

MOST_CONFUSED = 10


def agreement(project: Project, *, round: int | None = None, shared: bool = False) -> dict[str, Any]:
    """Agreement overall, by label, by pair of labels and by annotator, of one round or of all pool items.

    `shared` leaves out items with a single answer, which say nothing of agreement: quicker where they are many.
    Where items have several labels, answers are the same if their sets are, `alpha` counts by how far sets differ, and
    each of `labels` stands by itself, with an alpha of its own.
    A figure that the answers do not determine is None. Rulings by a lead are no answers; `disputed` lists the items
    with different labels that no ruling has settled. Gold items belong to no round: their results are of all rounds.
    Raises NoSuchRound.
    """
    with project.ledger.read() as tx:
        answers = standing(list_annotations(tx, split="pool", shared=shared))
        asked = None
        if round is not None:
            get_round(tx, round)
            asked = {query.item for query in list_queries(tx, round)}
    gold = [a for a in answers if is_gold(a)]
    answers = [a for a in answers if not is_gold(a) and (asked is None or a.item in asked)]
    votes, rulings = sort_out(map(vote_of, answers))
    table, sets = tabulate(votes), project.settings.data.sets
    n_labels = len(table.labels)
    pairs = figures.pair_agreement(table.codes, n_labels)
    n_answers = (table.codes >= 0).sum(axis=1)
    torn = figures.disputed(table.codes, n_labels)
    return {
        "round": round,
        "items": int((n_answers > 0).sum()),
        "shared_items": int((n_answers > 1).sum()),
        "raw": _known(figures.raw_agreement(table.codes, n_labels)),
        "cohen": _known(pairs.mean_kappa),
        "fleiss": _known(figures.fleiss_kappa(table.codes, n_labels)),
        "alpha": _known(_alpha(table, sets)),
        "labels": _by_label(table) if sets is None else _by_label_of_sets(table, sets),
        "confused": _confused(table),
        "annotators": _by_annotator([a for a in answers if not is_ruling(a)], table, pairs, _gold(project, gold)),
        "pairs": _by_pair(table, pairs),
        "disputed": [item for item, open_ in zip(table.items, torn, strict=True) if open_ and item not in rulings],
    }


def _alpha(table: Table, sets: LabelSets | None) -> float:
    if sets is None:
        return figures.krippendorff_alpha(table.codes, len(table.labels))
    return figures.alpha_of_sets(table.codes, sets.members(table.labels, _names(table, sets)))


def _names(table: Table, sets: LabelSets) -> list[str]:
    return sorted({name for label in table.labels for name in sets.names(label)})


def _by_label_of_sets(table: Table, sets: LabelSets) -> list[dict[str, Any]]:
    """Of each label by itself: whether an item has it or not."""
    names = _names(table, sets)
    # The last row is for those who gave no answer.
    has = np.append(sets.members(table.labels, names), np.zeros((1, len(names)), dtype=bool), axis=0)[table.codes]
    rows = []
    for at, name in enumerate(names):
        alone = np.where(table.codes >= 0, has[:, :, at], -1).astype(np.int64)
        agreed, alpha = figures.class_agreement(alone, 2)[1], figures.krippendorff_alpha(alone, 2)
        answers = int((alone == 1).sum())
        rows.append({"label": name, "answers": answers, "agreement": _known(agreed), "alpha": _known(alpha)})
    return rows


def _by_label(table: Table) -> list[dict[str, Any]]:
    given = figures.counts(table.codes, len(table.labels)).sum(axis=0)
    agreed = figures.class_agreement(table.codes, len(table.labels))
    return [
        {"label": label, "answers": int(given[at]), "agreement": _known(agreed[at])}
        for at, label in enumerate(table.labels)
    ]


def _confused(table: Table) -> list[dict[str, Any]]:
    """The two labels that people give to one item most often, with their share of all disagreeing pairs."""
    pairs = figures.confusions(table.codes, len(table.labels))
    apart = {(a, b): int(pairs[a, b]) for a, b in combinations(range(len(pairs)), 2) if pairs[a, b]}
    total = sum(apart.values())
    return [
        {"labels": [table.labels[a], table.labels[b]], "pairs": n, "share": n / total}
        for (a, b), n in Counter(apart).most_common(MOST_CONFUSED)
    ]


def _by_annotator(
    answers: Sequence[Annotation], table: Table, pairs: figures.Pairs, gold: Mapping[str, GoldResult]
) -> list[dict[str, Any]]:
    agreed = dict(zip(table.annotators, pairs.with_others, strict=False))
    labels = Counter(a.annotator for a in answers if a.label is not None)
    skips = Counter(a.annotator for a in answers if a.label is None)
    times: dict[str, list[float]] = {}
    for a in answers:
        if a.seconds is not None:
            times.setdefault(a.annotator, []).append(a.seconds)
    return [
        {
            "annotator": name,
            "answers": labels[name],
            "skips": skips[name],
            "agreement": _known(agreed.get(name, float("nan"))),
            "median_seconds": median(times[name]) if name in times else None,
            "gold": _gold_row(gold[name]) if name in gold else None,
        }
        for name in sorted({*labels, *skips, *gold})
    ]


def _by_pair(table: Table, pairs: figures.Pairs) -> list[dict[str, Any]]:
    return [
        {
            "annotators": [table.annotators[a], table.annotators[b]],
            "shared_items": int(pairs.shared[a, b]),
            "raw": float(pairs.same[a, b] / pairs.shared[a, b]),
            "cohen": _known(pairs.kappa[a, b]),
        }
        for a, b in zip(*np.nonzero(np.triu(pairs.shared)), strict=True)
    ]


def _gold(project: Project, answers: Sequence[Annotation]) -> dict[str, GoldResult]:
    if not answers or project.settings.data.label is None:
        return {}
    codes, names = project.snapshot.labels("label", sets=project.settings.data.sets)
    truth = {a.item: names[code] for a in answers if (code := codes[a.position]) >= 0}
    return gold_results(map(vote_of, answers), truth)


def _gold_row(result: GoldResult) -> dict[str, Any]:
    accuracy, low, high = gold_accuracy(result)
    return {"right": result.right, "asked": result.asked, "accuracy": accuracy, "low": low, "high": high}


def _known(value: float) -> float | None:
    return None if isnan(value) else float(value)
