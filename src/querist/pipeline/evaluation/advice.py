"""Stopping advice from the record."""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from querist.asking import CONTROL
from querist.core.label_sets import confidence_of, predicted
from querist.stages.evaluation.advice import (
    PAIRS,
    SURE_ROUNDS,
    WINDOW,
    Advice,
    Which,
    flat,
    same_predictions,
    stable,
    uninformative,
)
from querist.stages.evaluation.metrics import higher_is_better
from querist.store.analyses import list_analyses
from querist.store.models import list_metrics
from querist.store.rounds import newest_round, queries_since

if TYPE_CHECKING:
    from querist.pipeline.project import Project

NOT_ASKED_BY_THE_STRATEGY = (CONTROL, "gold")


def advise(project: Project, which: Collection[Which] = ("flat", "stable", "uninformative")) -> list[Advice]:
    """What the newest rounds say about stopping; only what is named is computed, from the last few rounds alone."""
    ways: dict[Which, Callable[[Project], Advice]] = {
        "flat": _flat,
        "stable": _stable,
        "uninformative": _uninformative,
    }
    return [way(project) for name, way in ways.items() if name in which]


def _flat(project: Project) -> Advice:
    metric = project.settings.objective.metric
    with project.ledger.read() as tx:
        rounds = list_metrics(tx, name=metric)[-WINDOW:]
    sign, precision = (1.0 if higher_is_better(metric) else -1.0), None
    if rounds and (newest := rounds[-1]).low is not None and newest.high is not None:
        precision = newest.value - newest.low if sign > 0 else newest.high - newest.value
    values = [sign * m.value for m in rounds]
    confidence = project.settings.evaluation.confidence
    return flat([m.n_labels for m in rounds], values, precision, confidence=confidence)


def _stable(project: Project) -> Advice:
    with project.ledger.read() as tx:
        found = {a.result["model_version"]: a.result for a in list_analyses(tx, "evaluation", last=2 * PAIRS + 2)}
    said = []
    for result in list(found.values())[-PAIRS - 1 :]:
        arrays = project.artifacts.get_arrays(result["predictions"])
        proba, sets = arrays["proba"], project.settings.data.sets
        if sets is None:
            names = np.array(result["classes"])[proba.argmax(axis=1)].tolist()
        else:
            names = sets.strings(predicted(proba), result["classes"])
        said.append(dict(zip(arrays["positions"].tolist(), names, strict=True)))
    return stable([_kappa(before, after) for before, after in pairwise(said)])


def _kappa(before: dict[int, str], after: dict[int, str]) -> float:
    """Over the items that both models predicted, by class name, since classes may be added."""
    both = [position for position in after if position in before]
    if not both:
        return 0.0
    names, codes = np.unique([[said[p] for p in both] for said in (before, after)], return_inverse=True)
    first, second = codes.reshape(2, -1).astype(np.int64)
    return same_predictions(first, second, len(names))


def _uninformative(project: Project) -> Advice:
    with project.ledger.read() as tx:
        newest = newest_round(tx) or 0
        asked = queries_since(tx, max(newest - SURE_ROUNDS + 1, 1))
    by_round: dict[int, list[float]] = {}
    for q in asked:
        if q.strategy not in NOT_ASKED_BY_THE_STRATEGY and (prediction := q.payload.get("prediction")):
            by_round.setdefault(q.round, []).append(confidence_of(prediction, project.settings.data.sets))
    return uninformative([np.array(sure) for sure in by_round.values()])
