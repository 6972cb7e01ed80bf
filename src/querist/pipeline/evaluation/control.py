"""How good the model is on the open pool: what it said of items drawn at random, before anybody labeled them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from querist.asking import CONTROL
from querist.core.label_sets import LIKELY, label_of
from querist.core.proportion import wilson
from querist.core.selection import stream
from querist.core.types import Indices, Probabilities, Targets
from querist.stages.evaluation.intervals import bootstrap
from querist.stages.evaluation.metrics import OF_ITEMS
from querist.stages.reporting import verdicts
from querist.store.rounds import Query, queries_since
from querist.store.steps import Done

if TYPE_CHECKING:
    from querist.pipeline.project import Project

WINDOW = 100
"""Items behind the estimate: those of the last rounds that come to as many."""


def control_quality(project: Project, steps: Sequence[Done]) -> dict[str, Any] | None:
    """The objective's metric on the newest control items with a label, or accuracy where it needs probabilities.

    Prequential: each item is predicted by the model of its round, before it is learned from. Dawid, 1984.
    """
    labeling = [s for s in steps if s.name == "human_labeling"]
    drawn = {s.round: s.result.get("control", 0) for s in steps if s.name == "query_strategy"}
    if not labeling or not any(drawn.values()):
        return None
    with project.ledger.read() as tx:
        asked = queries_since(tx, _first(drawn, labeling[-1].round), strategy=CONTROL)
    arrays = project.artifacts.get_arrays(labeling[-1].result["labels"])
    classes = list(labeling[-1].result["classes"])
    asked = [q for q in asked if q.round <= labeling[-1].round and q.payload.get("prediction")]
    kept, y, proba = _scored(asked, arrays["pool_positions"], arrays["pool_codes"], classes)
    if not kept:
        return None
    metric = project.settings.objective.metric
    metric = "accuracy" if metric in OF_ITEMS or (metric == "micro_f1" and y.ndim == 1) else metric
    confidence = project.settings.evaluation.confidence
    bounds = _bounds(metric, y, proba, classes, confidence, stream(project.settings.project.seed, CONTROL))
    if bounds is None:
        return None
    rounds = kept[0].round, kept[-1].round
    said = verdicts.control(metric, bounds, len(kept), len(asked), rounds)
    return {"n": len(kept), "drawn": len(asked), **bounds, "metric": metric, "sentence": said}


def _first(drawn: dict[int, int], newest: int) -> int:
    """The round from which on the rounds up to the newest drew enough."""
    total = 0
    for number in sorted((r for r in drawn if r <= newest), reverse=True):
        total += drawn[number]
        if total >= WINDOW:
            return number
    return min(drawn)


def _scored(
    asked: Sequence[Query], positions: Indices, codes: Targets, classes: Sequence[str]
) -> tuple[list[Query], Targets, Probabilities]:
    """Queries with a label, their codes, and 1 for the class predicted, or for each of several labels."""
    place = {position: at for at, position in enumerate(positions.tolist())}
    kept = [q for q in asked if q.position in place]
    proba = np.zeros((len(kept), len(classes)))
    for row, query in enumerate(kept):
        said: dict[str, float] = query.payload["prediction"]
        names = [label_of(said, None)] if codes.ndim == 1 else [name for name, p in said.items() if p > LIKELY]
        proba[row, [classes.index(name) for name in names]] = 1.0
    return kept, codes[[place[q.position] for q in kept]], proba


def _bounds(
    metric: str, y: Targets, proba: Probabilities, classes: Sequence[str], confidence: float, rng: np.random.Generator
) -> dict[str, float] | None:
    if metric == "accuracy" and y.ndim == 1:
        share = float((proba.argmax(axis=1) == y).mean())
        low, high = map(float, wilson(share, len(y), confidence=confidence))
        return {"value": share, "low": low, "high": high}
    value, low, high = bootstrap(metric, y, proba, classes, confidence=confidence, resamples=1000, rng=rng)
    return {"value": value, "low": low, "high": high} if np.isfinite([value, low, high]).all() else None
