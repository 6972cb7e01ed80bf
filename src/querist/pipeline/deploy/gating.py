"""What the gate judges by: a candidate's recorded answers on the holdout beside those of the served model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from querist.core.errors import LedgerError
from querist.core.hashing import key_of
from querist.core.label_sets import class_counts
from querist.core.selection import stream
from querist.core.types import Indices, Probabilities, Targets
from querist.pipeline.evaluation.quality import Predictions, predictions_of
from querist.pipeline.monitoring.references import find_model
from querist.stages.deploy.gate import ClassChange, Compared
from querist.stages.evaluation.intervals import per_class
from querist.stages.evaluation.metrics import measure
from querist.stages.evaluation.paired import swapped
from querist.stages.evaluation.significance import LEAST_PAIRS_BY_SIGN
from querist.store.models import Model, list_metrics

if TYPE_CHECKING:
    from querist.pipeline.project import Project

NOBODY = "answering with the shares of the classes"


@dataclass(frozen=True)
class Evidence:
    """`changes` are empty where no model is served; `key` names all that a decision on it rests on."""

    compared: Compared
    changes: Sequence[ClassChange]
    ece: float | None
    ece_limit: float | None
    key: str


def evidence(project: Project, model: Model, served: str | None) -> Evidence:
    """Raises LedgerError where one of the two was not evaluated on labeled holdout items."""
    candidate = _found(project, model.version)
    before = None if served is None else _answered(project, _found(project, served), candidate.positions)
    with project.ledger.read() as tx:
        metrics = {m.name: m.value for m in list_metrics(tx, candidate.round)}
    shared, other = _beside(candidate, before)
    compared = _compare(project, candidate, shared, other, served or NOBODY)
    changes = [] if before is None else _changes(candidate, shared, other)
    settings = project.settings
    key = key_of(
        model.version,
        served,
        candidate.round,
        None if before is None else before.round,
        settings.objective.metric,
        settings.evaluation.model_dump(mode="json"),
        settings.deploy.max_class_fall,
        settings.project.seed,
    )
    return Evidence(compared, changes, metrics.get("ece"), metrics.get("ece_limit"), key)


def _found(project: Project, version: str) -> Predictions:
    found = predictions_of(project, version)
    if found is None:
        raise LedgerError(
            f"model {version} has no answers on the holdout on record; label holdout items, or run the round to its end"
        )
    return found


def _answered(project: Project, before: Predictions, positions: Indices) -> Predictions:
    """With the model's answers to holdout items that were labeled after it was measured: after drift they are those on
    which it is to be judged. As recorded where its features are no longer those of the settings.
    """
    from querist.models.persistence import load

    new = np.setdiff1d(positions, before.positions)
    model = find_model(project, before.model_version)
    features = project.features()[1] if len(new) else None
    if features is None or model.learner["features"] != features.space:
        return before
    learner = load(project.artifacts.get(model.artifact), trusted=project.settings.learner.trusted_types)
    columns = [before.classes.index(name) for name in model.learner["classes"]]
    proba = np.zeros((len(new), len(before.classes)), dtype=before.proba.dtype)
    proba[:, columns] = learner.predict_proba(features.rows(new))
    return replace(
        before,
        positions=np.concatenate([before.positions, new]),
        proba=np.concatenate([before.proba, proba]),
    )


def _beside(candidate: Predictions, before: Predictions | None) -> tuple[Indices, Probabilities]:
    """Places among the candidate's items that both answered, and there the other's probabilities over its classes.

    Without a served model those of whoever only knows how frequent each class is.
    """
    if before is None:
        shares = class_counts(candidate.codes, len(candidate.classes)) / len(candidate.codes)
        return np.arange(len(candidate.codes)), np.tile(shares, (len(candidate.codes), 1))
    _, now, then = np.intersect1d(candidate.positions, before.positions, return_indices=True)
    other = np.zeros((len(now), len(candidate.classes)))
    for code, name in enumerate(before.classes):
        if name in candidate.classes:
            other[:, candidate.classes.index(name)] = before.proba[then, code]
    return now, other


def _compare(project: Project, candidate: Predictions, shared: Indices, other: Probabilities, against: str) -> Compared:
    metric, settings = project.settings.objective.metric, project.settings.evaluation
    if len(shared) < LEAST_PAIRS_BY_SIGN:
        return Compared(metric, None, None, against, len(shared), None, None)
    y, proba = candidate.codes[shared], candidate.proba[shared]
    groups = None if candidate.groups is None else np.unique(candidate.groups[shared], return_inverse=True)[1]
    tested = swapped(
        metric,
        y,
        proba,
        other,
        candidate.classes,
        resamples=settings.resamples,
        rng=stream(project.settings.project.seed, candidate.round, "gate"),
        groups=groups,
    )
    if not np.isfinite(tested.statistic):
        return Compared(metric, None, None, against, len(shared), None, None)
    value, before = (measure(metric, y, p, candidate.classes) for p in (proba, other))
    return Compared(metric, value, before, against, len(shared), tested.statistic, tested.p)


def _changes(candidate: Predictions, shared: Indices, other: Probabilities) -> list[ClassChange]:
    y: Targets = candidate.codes[shared]
    if len(y) == 0:
        return []
    now, then = (per_class(y, p, candidate.classes) for p in (candidate.proba[shared], other))
    return [
        ClassChange(a["class"], a["support"], a["recall"] - b["recall"], a["f1"] - b["f1"])
        for a, b in zip(now, then, strict=True)
        if a["support"]
    ]
