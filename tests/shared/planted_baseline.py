"""A random baseline of a known curve, put on record."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from querist.pipeline.evaluation.random_curves import holdout_key, learner_key
from querist.pipeline.project import Project
from querist.snapshots.snapshot import TEST
from querist.store.analyses import add_analysis
from querist.store.models import list_metrics

LABELS = np.arange(10, 410, 10)


def plant(
    project: Project,
    mean: Callable[[np.ndarray], np.ndarray],
    *,
    spread: float = 0.002,
    labels: np.ndarray = LABELS,
    metric: str = "accuracy",
    repeats: int = 100,
    holdout: str | None = None,
) -> None:
    """Puts a simulation on record whose random arm has this mean curve."""
    off = np.linspace(-1.0, 1.0, repeats)[:, None] * spread * np.where(np.arange(len(labels)) % 2, 1.0, -1.0)
    curves = mean(labels) + off
    runs = [
        {"strategy": "random", "repeat": r, "labels": labels.tolist(), "metrics": {metric: curve.tolist()}}
        for r, curve in enumerate(curves)
    ]
    kept = {"runs": runs, "n_pool": 400, "n_test": 80, "learner": learner_key(project.settings)}
    kept |= {"snapshot": project.snapshot.id, "holdout": holdout or measured_on(project)}
    with project.ledger.begin() as tx:
        add_analysis(tx, "simulation", kept, now=project.clock())


def measured_on(project: Project) -> str:
    """The key of the whole holdout, as the snapshot has it."""
    codes, classes = project.snapshot.labels("label")
    at = np.flatnonzero(project.snapshot.primary() & (project.snapshot.splits() == TEST))
    return holdout_key(at, codes[at], classes)


def reached(project: Project) -> tuple[float, int]:
    with project.ledger.read() as tx:
        last = list_metrics(tx, name="accuracy")[-1]
    return last.value, last.n_labels
