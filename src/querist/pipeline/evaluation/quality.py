"""How good an evaluated model is, in detail, from the predictions that its evaluation kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from querist.core.label_sets import predicted
from querist.core.selection import stream
from querist.core.types import Indices, Probabilities, Targets
from querist.stages.evaluation import calibration, curves
from querist.stages.evaluation.intervals import class_intervals
from querist.stages.evaluation.paired import swapped
from querist.stages.evaluation.significance import LEAST_PAIRS_BY_SIGN, Tested, mcnemar
from querist.stages.evaluation.slices import slices
from querist.stages.evaluation.step import one_by_one, truth_of
from querist.store.analyses import Analysis, list_analyses
from querist.store.models import Metric, list_metrics
from querist.training import codes_of

if TYPE_CHECKING:
    from querist.pipeline.project import Project

SWAPS = 1_999
"""Random swaps of groups behind a p-value, of which the smallest is then 0.0005."""


@dataclass(frozen=True)
class Predictions:
    """One evaluation's view of the holdout: `positions` (n,) in the snapshot, true `codes` (n,) and `proba`
    (n, n_classes) float32, both over `classes`, and `groups` (n,), None where each item stands for itself. Of several
    labels `codes` are (n, n_classes) bool."""

    round: int
    model_version: str
    classes: tuple[str, ...]
    positions: Indices
    codes: Targets
    proba: Probabilities
    groups: NDArray[np.int32] | None


def predictions(project: Project, round: int | None = None) -> Predictions | None:
    """The holdout's predictions as the evaluation of a round kept them, the newest by default; None where it kept none.

    Raises SnapshotCorrupt when the artifact is missing or changed.
    """
    with project.ledger.read() as tx:
        found = list_analyses(tx, "evaluation", last=1, round=round)
    return _open(project, found[0]) if found else None


def predictions_of(project: Project, model_version: str) -> Predictions | None:
    """The same of the newest evaluation of a model version; None where none is on record."""
    with project.ledger.read() as tx:
        found = [a for a in list_analyses(tx, "evaluation") if a.result["model_version"] == model_version]
    return _open(project, found[-1]) if found else None


def quality(project: Project, round: int | None = None) -> dict[str, Any] | None:
    """The model of an evaluated round (default: the newest) on the holdout, as JSON-ready values; None without one.

    Metrics with their intervals; by class, with Wilson's and bootstrap intervals; by slice of the context columns;
    confusion, calibration, coverage; and whether it gets other items right than the first model did. Of several labels
    calibration and coverage are those of each decision about a label, and there is no confusion.
    """
    with project.ledger.read() as tx:
        found = list_analyses(tx, "evaluation")
        chosen = found[-1:] if round is None else [a for a in found if a.round == round][-1:]
        metrics = list_metrics(tx, chosen[0].round) if chosen else []
    if not chosen:
        return None
    newest = _open(project, chosen[0])
    settings, classes = project.settings.evaluation, newest.classes
    how: dict[str, Any] = {
        "confidence": settings.confidence,
        "rng": stream(project.settings.project.seed, newest.round, "quality"),
        "groups": newest.groups,
    }
    y, proba, metric = newest.codes, newest.proba, project.settings.objective.metric
    single, sure, of = one_by_one(y, proba, newest.groups)
    parts, left_out = slices(metric, y, proba, classes, _context(project, newest.positions), **how)
    return {
        name: _json(value)
        for name, value in {
            "round": newest.round,
            "model_version": newest.model_version,
            "n": len(y),
            "n_groups": None if newest.groups is None else int(newest.groups.max()) + 1,
            "metrics": _metrics(metrics, [metric, *settings.metrics]),
            "per_class": class_intervals(
                y, proba, classes, resamples=settings.resamples, stratified=settings.stratified, **how
            ),
            "slices": parts,
            "slices_left_out": left_out,
            **({"several": True} if y.ndim == 2 else {}),
            "confusion": curves.confusion(y, proba, classes) if y.ndim == 1 else {"classes": [], "counts": []},
            "calibration": {
                "bins": curves.reliability(single, sure, confidence=settings.confidence, groups=of),
                **_calibration(metrics, settings.calibration_tolerance),
            },
            "coverage": curves.coverage(single, sure, confidence=settings.confidence, groups=of),
            "against_first": _against_first(_open(project, found[0]), newest, 1 - settings.confidence, how["rng"]),
        }.items()
    }


def _context(project: Project, positions: Indices) -> dict[str, list[str | None]]:
    """The values of the context columns to slice by, of the holdout's items alone."""
    there = project.snapshot.context_columns()
    wanted = [name for name in project.settings.evaluation.slices or there if name in there]
    table = project.snapshot.take(positions, [f"c.{name}" for name in wanted]) if wanted else {}
    return {name: table[f"c.{name}"].to_pylist() for name in wanted}


def _metrics(metrics: Sequence[Metric], first: Sequence[str]) -> list[dict[str, Any]]:
    """Those of the whole holdout as recorded, the configured ones first."""
    known = {m.name: m for m in metrics if ":" not in m.name or m.name in first}
    names = [name for name in dict.fromkeys([*first, *known]) if name in known and not name.startswith("ece")]
    return [{"name": n, "value": known[n].value, "low": known[n].low, "high": known[n].high} for n in names]


def _calibration(metrics: Sequence[Metric], tolerance: float) -> dict[str, Any]:
    known = {m.name: m.value for m in metrics}
    ece, limit = known["ece"], known["ece_limit"]
    return {"ece": ece, "ece_limit": limit, "warning": calibration.warning(ece, limit, tolerance)}


def _against_first(
    first: Predictions, newest: Predictions, level: float, rng: np.random.Generator
) -> dict[str, Any] | None:
    """McNemar's test on the items that both evaluations saw, by the labels of the newest; of items in groups, the same
    with groups swapped as wholes. None where the evaluations are one, or share too few items."""
    shared, then, now = np.intersect1d(first.positions, newest.positions, return_indices=True)
    if first.round == newest.round or len(shared) < LEAST_PAIRS_BY_SIGN:
        return None
    before, after = _right(first, then, newest, now), _right(newest, now, newest, now)
    better, worse = int((after & ~before).sum()), int((before & ~after).sum())
    if newest.groups is None:
        found = mcnemar(after, before)
    else:
        found = of_groups(after, before, np.unique(newest.groups[now], return_inverse=True)[1], rng)
    says = "which chance alone would seldom give" if found.p < level else "which chance alone may give"
    if better + worse < LEAST_PAIRS_BY_SIGN:
        says = "too few to tell it from chance"
    sentence = (
        f"Since round {first.round} the model has come to get {better:,} holdout items right and {worse:,} wrong, of "
        f"{len(shared):,}, {says} (p = {found.p:.2g}, {found.test}). It assumes that {found.assumes}."
    )
    return {
        "round": first.round,
        "better": better,
        "worse": worse,
        "n": len(shared),
        "p": found.p,
        "sentence": sentence,
    }


def _right(said: Predictions, at: Indices, by: Predictions, where: Indices) -> NDArray[np.bool_]:
    """(n,) whether the one evaluation's predictions of its items `at` are what the other knows of its items `where`."""
    truth = by.codes[where]
    if truth.ndim == 1:
        found: NDArray[np.bool_] = np.array(said.classes)[said.proba[at].argmax(axis=1)] == np.array(by.classes)[truth]
        return found
    likely = np.zeros(truth.shape, dtype=bool)
    likely[:, codes_of(said.classes, by.classes)] = predicted(said.proba[at])
    whole: NDArray[np.bool_] = (likely == truth).all(axis=1)
    return whole


def of_groups(
    right: NDArray[np.bool_], other: NDArray[np.bool_], groups: NDArray[np.intp], rng: np.random.Generator
) -> Tested:
    """That two models are right equally often: (n,) hits of each on the same items, of `groups` 0..n_groups-1."""
    first, second = (np.where(mask[:, None], [1.0, 0.0], [0.0, 1.0]) for mask in (right, other))
    truth = np.zeros(len(right), dtype=np.int64)
    return swapped("accuracy", truth, first, second, ("right", "wrong"), resamples=SWAPS, rng=rng, groups=groups)


def _open(project: Project, found: Analysis) -> Predictions:
    arrays = project.artifacts.get_arrays(found.result["predictions"])
    return Predictions(
        round=found.round or 0,
        model_version=found.result["model_version"],
        classes=tuple(found.result["classes"]),
        positions=arrays["positions"].astype(np.intp),
        codes=truth_of(arrays["codes"]),
        proba=arrays["proba"],
        groups=arrays.get("groups"),
    )


def _json(value: Any) -> Any:  # Any: nested plain values
    """JSON has no NaN: None stands for what is not known."""
    if isinstance(value, Mapping):
        return {key: _json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_json(inner) for inner in value]
    return None if isinstance(value, float) and not isfinite(value) else value
