"""Curves of random sampling on record: kept by simulations and baselines, read to tell what active learning saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from querist.config import Settings
from querist.core.hashing import key_of
from querist.core.types import Indices, Targets
from querist.stages.evaluation.metrics import higher_is_better
from querist.stages.evaluation.savings import LEAST_REPEATS, Baseline
from querist.store.analyses import Analysis, add_analysis

if TYPE_CHECKING:
    from querist.pipeline.project import Project

ELSEWHERE = ("source", "format", "context")
"""Settings of the data that change no curve."""


@dataclass(frozen=True)
class RandomCurve:
    """Where a baseline comes from, in words; its values are higher-is-better. `holdout` is the key of its holdout."""

    source: str
    how: str
    cannot_tell: list[str]
    baseline: Baseline
    holdout: str | None


def learner_key(settings: Settings) -> str:
    """Hash of the settings that a curve of random sampling depends on: equal where two curves can be compared."""
    parts = settings.model_dump(mode="json", include={"data", "preprocessing", "splits", "learner"})
    elsewhere = ELSEWHERE if settings.data.sets else (*ELSEWHERE, "labels", "label_separator")
    return key_of({**parts, "data": {k: v for k, v in parts["data"].items() if k not in elsewhere}})


def holdout_key(positions: Indices, codes: Targets, classes: Sequence[str]) -> str:
    """Hash of the items of a holdout and their classes: equal where two values of a metric can be compared."""
    order = np.argsort(positions)
    if codes.ndim == 2:
        by_name = np.argsort(classes)
        return key_of(positions[order].astype(np.int64), codes[order][:, by_name], sorted(classes))
    present, of = np.unique(codes[order], return_inverse=True)
    names = [classes[code] for code in present]
    by_name = np.argsort(np.argsort(names))
    return key_of(positions[order].astype(np.int64), by_name[of].astype(np.int64), sorted(names))


def keep_simulation(project: Project, found: Mapping[str, Any], holdout: str) -> None:
    """Records what a simulation found, without the queries of its runs; nothing where the ledger may not be written."""
    if project.ledger.read_only:
        return
    kept = {
        **{name: found[name] for name in ("summary", "full", "n_pool", "n_test")},
        "strategies": list(found["summary"]),
        "runs": [{name: run[name] for name in ("strategy", "repeat", "labels", "metrics")} for run in found["runs"]],
        "settings": project.settings_key,
        "learner": learner_key(project.settings),
        "holdout": holdout,
        "snapshot": project.snapshot.id,
    }
    with project.ledger.begin() as tx:
        add_analysis(tx, "simulation", kept, now=project.clock())


def random_curves(
    simulations: Sequence[Analysis], baselines: Sequence[Analysis], settings: Settings, snapshot: str | None
) -> list[RandomCurve]:
    """The curves that today's settings can be held against, the most telling one first; some of too few runs."""
    metric, learner = settings.objective.metric, learner_key(settings)
    fitting = [_simulated(a.result, metric, snapshot) for a in reversed(simulations) if a.result["learner"] == learner]
    fitting += [
        _collected(a.result)
        for a in reversed(baselines)
        if a.result["learner"] == learner and a.result["metric"] == metric
    ]
    sign = 1.0 if higher_is_better(metric) else -1.0
    known = [found for found in fitting if found is not None and len(found.baseline.labels) > 1]
    newest: dict[str, RandomCurve] = {}
    for found in sorted(known, key=too_few):
        upright = replace(found.baseline, curves=sign * found.baseline.curves)
        newest.setdefault(found.source, replace(found, baseline=upright))
    return list(newest.values())


def too_few(found: RandomCurve) -> bool:
    """Whether its runs are too few to tell how runs differ."""
    return len(found.baseline.curves) < LEAST_REPEATS


def _simulated(result: Mapping[str, Any], metric: str, snapshot: str | None) -> RandomCurve | None:
    runs = [run for run in result["runs"] if run["strategy"] == "random" and metric in run["metrics"]]
    if not runs:
        return None
    labels = np.array(runs[0]["labels"], dtype=float)
    cannot_tell = [f"the simulation ends at {labels[-1]:,.0f} labels, and from there on the curve is extrapolated"]
    if result["snapshot"] != snapshot:
        cannot_tell.append("it was made before the newest data came")
    return RandomCurve(
        source="simulation",
        how=f"{len(runs)} runs of random sampling from {result['n_pool']:,} items with a known label, with the same "
        f"learner and a holdout of {result['n_test']:,}",
        cannot_tell=cannot_tell,
        baseline=_made(labels, [run["metrics"][metric] for run in runs], float(labels[-1]), None),
        holdout=result.get("holdout"),
    )


def _collected(result: Mapping[str, Any]) -> RandomCurve:
    n = len(result["curves"])
    return RandomCurve(
        source=result["source"],
        how=f"{result['how']}; {n} repeats, made in round {result['round']} with {result['n_labels']:,} labels",
        cannot_tell=list(result["cannot_tell"]),
        baseline=_made(
            np.array(result["labels"], dtype=float), result["curves"], result["measured_to"], result["population"]
        ),
        holdout=result.get("holdout"),
    )


def _made(
    labels: Any,  # Any: numbers as JSON has them
    curves: Any,
    measured_to: float,
    population: float | None,
) -> Baseline:
    """Without the points at which a run's metric is undefined."""
    values = np.array(curves, dtype=float)
    defined = np.isfinite(values).all(axis=0)
    known = labels[defined]
    return Baseline(known, values[:, defined], min(measured_to, known[-1]) if len(known) else measured_to, population)
