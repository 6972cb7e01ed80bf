"""What there is to say of a trained model, from the record, as plain values and as a Markdown page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from querist.core.errors import LedgerError, UnknownName
from querist.core.label_sets import class_counts
from querist.core.selection import stream
from querist.pipeline.conditions import conditions, settings_by_key
from querist.pipeline.evaluation.quality import predictions
from querist.pipeline.record import trained_in
from querist.store.models import Model, list_metrics, list_models
from querist.store.rounds import get_round
from querist.store.steps import Done, list_steps

if TYPE_CHECKING:
    from querist.pipeline.project import Project

FILE = "reports/model-card.md"
FEW = 30
"""Holdout items of a class below which its figures are called uncertain."""
OF_A_CLASS = ("precision", "recall", "f1")


def model_card(project: Project, version: str | None = None) -> dict[str, Any]:
    """The card of a model version, by default of the newest one.

    Raises LedgerError before the first model, UnknownName for a version that is not on record.
    """
    with project.ledger.read() as tx:
        models, steps, metrics = list_models(tx), list_steps(tx), list_metrics(tx)
        under, settings = conditions(tx), settings_by_key(tx)
        if not models:
            raise LedgerError("there is no model yet; run `querist run` until one is trained")
        known = {model.version: model for model in models}
        if version is not None and version not in known:
            raise UnknownName("model version", version, known)
        model = known[version] if version else models[-1]
        opened = get_round(tx, model.round)
    trained = _training(steps, model, trained_in(steps)[model.version])
    own = [m for m in metrics if m.model_version == model.version]
    evaluated = max((m.round for m in own), default=None)
    evaluation = next((s for s in steps if (s.round, s.name) == (evaluated, "evaluation")), None)
    ran = under.get((trained.round, trained.name))
    in_force = settings.get(ran.settings) if ran else None
    labels = _labels(project, steps, model)
    per_class = _per_class(project, evaluated, model)
    return {
        "project": project.settings.project.name,
        "objective": project.settings.objective.model_dump(
            mode="json", include={"metric", "goal", "owner", "why", "deadline"}
        ),
        "version": model.version,
        "newest": model.version == models[-1].version,
        "trained": {
            "round": trained.round,
            "at": model.at,
            "why": trained.result["reason"],
            "plan": trained.result["plan"],
        },
        "parent": model.parent,
        "artifact": model.artifact,
        "learner": dict(model.learner),
        "fitting": dict(model.report),
        "settings": in_force["learner"] if in_force else None,
        "settings_key": ran.settings if ran else opened.settings,
        "seed": in_force["project"]["seed"] if in_force else None,
        "simulated": ran.oracle if ran else None,
        "data": {"snapshot": opened.snapshot, "items": _items(project, opened.snapshot), "labels": labels},
        "evaluated": None if evaluated is None else {"round": evaluated, "n": own[0].n_items},
        "metrics": {
            m.name: {"value": m.value, "low": m.low, "high": m.high}
            for m in own
            if m.round == evaluated and m.name.partition(":")[0] not in OF_A_CLASS
        },
        "per_class": per_class,
        "limitations": [
            *(
                evaluation.result["warnings"]
                if evaluation
                else ["nothing is known of its quality: it was not evaluated"]
            ),
            *_rare(per_class),
            *(_warnings(project) if model.version == models[-1].version else ()),
        ],
        "code_version": trained.code_version,
        "libraries": dict(ran.libraries) if ran else {},
    }


def write_model_card(project: Project, version: str | None = None, out: Path | None = None) -> Path:
    """Writes the card and returns the file, by default reports/model-card.md of the project."""
    from querist.stages.reporting.model_card import model_card_page

    path = out or project.folder / FILE
    page = model_card_page(model_card(project, version))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path


def _training(steps: list[Done], model: Model, round: int) -> Done:
    return next(s for s in steps if s.round == round and s.result.get("version") == model.version)


def _labels(project: Project, steps: list[Done], model: Model) -> dict[str, dict[str, int]]:
    """Split -> class -> labels that were known when the model was trained."""
    left = next(s for s in steps if (s.round, s.name) == (model.round, "human_labeling")).result
    arrays, classes = project.artifacts.get_arrays(left["labels"]), left["classes"]
    counts = {s: class_counts(arrays[f"{s}_codes"], len(classes)) for s in ("pool", "validation", "test")}
    return {split: dict(zip(classes, map(int, found), strict=True)) for split, found in counts.items()}


def _items(project: Project, snapshot: str) -> dict[str, int]:
    """Split -> items in use, one of each group of duplicates."""
    from querist.snapshots.snapshot import POOL, TEST, VALIDATION, Snapshot

    opened = Snapshot.open(project.snapshots_url, snapshot)
    splits = opened.splits()[opened.primary()]
    return {
        n: int((splits == split).sum()) for n, split in (("pool", POOL), ("validation", VALIDATION), ("test", TEST))
    }


def _per_class(project: Project, round: int | None, model: Model) -> list[dict[str, Any]]:
    """Precision, recall and F1 of each class with their intervals, from the holdout's predictions."""
    from querist.stages.evaluation.intervals import class_intervals

    kept = None if round is None else predictions(project, round)
    if kept is None or round is None or kept.model_version != model.version:
        return []
    settings = project.settings.evaluation
    rows = class_intervals(
        kept.codes,
        kept.proba,
        kept.classes,
        confidence=settings.confidence,
        resamples=settings.resamples,
        rng=stream(project.settings.project.seed, round, "model card"),
        groups=kept.groups,
        stratified=settings.stratified,
    )
    parts = {"value": "", "low": "_low", "high": "_high"}
    return [
        {
            "class": row["class"],
            "n": row["support"],
            **{of: {part: _finite(row[f"{of}{end}"]) for part, end in parts.items()} for of in OF_A_CLASS},
        }
        for row in rows
    ]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _rare(per_class: list[dict[str, Any]]) -> list[str]:
    few: Mapping[str, int] = {row["class"]: row["n"] for row in per_class if row["n"] < FEW}
    return [f"of {name} the holdout has {n:,} items only, so its figures are uncertain" for name, n in few.items()]


def _warnings(project: Project) -> list[str]:
    from querist.pipeline.evaluation.diagnostics import diagnostics

    return [warning["sentence"] for warning in diagnostics(project)["warnings"]]
