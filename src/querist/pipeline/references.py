"""The drift reference of a model version: what it predicts on items like those it learned from, kept with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from querist.core.errors import DataError
from querist.core.selection import stream
from querist.core.types import Codes, Indices, Probabilities
from querist.pipeline.drift_rounds import newest_drift_round
from querist.snapshots.snapshot import POOL, VALIDATION, Snapshot
from querist.stages.monitoring.calibrate import LEAST_WINDOW
from querist.stages.monitoring.reference import Reference, dump, load
from querist.stages.monitoring.sample import Column, Sample, as_column, vocabulary
from querist.store.analyses import add_analysis, list_analyses
from querist.store.models import Model, list_models
from querist.store.rounds import get_round
from querist.store.steps import list_steps
from querist.training import make_learner

if TYPE_CHECKING:
    from querist.pipeline.project import Project

KIND = "drift_reference"
FOLDS = 5
LEAST = 2 * LEAST_WINDOW
"""Items since the last drift, from which on they alone are the reference."""


def reference_of(project: Project, version: str | None = None) -> Reference:
    """The reference of a model version (default: the current one), as recorded or made now.

    Raises DataError for a version that is not on record, or whose learner the settings no longer have.
    """
    return load(reference_bytes(project, version))


def reference_bytes(project: Project, version: str | None = None) -> bytes:
    """`reference.npz` of a model version, for its deployed folder; made once and recorded."""
    model = find_model(project, version)
    wanted = {
        "model_version": model.version,
        "size": project.settings.monitoring.reference_size,
        "consecutive": project.settings.monitoring.consecutive,
    }
    with project.ledger.read() as tx:
        for known in reversed(list_analyses(tx, KIND)):
            if {name: known.result[name] for name in wanted} == wanted:
                return project.artifacts.get(known.result["artifact"])
    reference = _make(project, model)
    data = dump(reference)
    result = {**wanted, "artifact": project.artifacts.put(data), "n_items": len(reference.sample)}
    with project.ledger.begin() as tx:
        add_analysis(tx, KIND, result, round=model.round, now=project.clock())
    return data


def find_model(project: Project, version: str | None = None) -> Model:
    with project.ledger.read() as tx:
        models = list_models(tx)
    if not models:
        raise DataError("there is no model yet, so nothing can drift from it; run `querist run` first")
    found = next((model for model in reversed(models) if version in (None, model.version)), None)
    if found is None:
        known = ", ".join(model.version for model in models)
        raise DataError(f"model version {version!r} is not on record. Available: {known}.")
    return found


def columns_of(items: dict[str, list[Any]]) -> dict[str, Column]:
    return {name.removeprefix("x."): as_column(values) for name, values in items.items() if name.startswith("x.")}


def _make(project: Project, model: Model) -> Reference:
    _, features = project.features()
    if model.learner["features"] != features.space:
        raise DataError(
            f"the learner of the settings is not that of model {model.version}, so its reference cannot be made; "
            "`querist run` trains the new one first"
        )
    positions = _positions(project, model)
    proba = _unseen_proba(project, model, positions, features)
    with project.ledger.read() as tx:
        snapshot = Snapshot.open(project.snapshots_url, get_round(tx, model.round).snapshot)
    names = [name for name in snapshot.columns() if name == "text" or name.startswith("x.")]
    items = snapshot.take(positions, names).to_pydict() if names else {}
    texts = items.get("text")
    words, unseen = (None, None) if texts is None else vocabulary(texts)
    return Reference(
        model_version=model.version,
        classes=tuple(model.learner["classes"]),
        sample=Sample(
            proba=proba.astype(np.float32),
            embeddings=features.embed(positions).astype(np.float16),
            lengths=None if texts is None else np.array([len(text) for text in texts], dtype=np.float64),
            unseen=unseen,
            columns=columns_of(items),
        ),
        positions=positions,
        vocabulary=words,
    )


def _positions(project: Project, model: Model) -> Indices:
    """Items in use of pool and validation, as the model's round found them; after a drift round those since the drift,
    where they are enough, since the past is no longer what the model meets."""
    with project.ledger.read() as tx:
        snapshot = Snapshot.open(project.snapshots_url, get_round(tx, model.round).snapshot)
        drifted = newest_drift_round(tx, until=model.round)
    used = np.flatnonzero(snapshot.primary() & np.isin(snapshot.splits(), (POOL, VALIDATION)))
    if drifted is not None and drifted.since is not None and (used >= drifted.since).sum() >= LEAST:
        used = used[used >= drifted.since]
    size = project.settings.monitoring.reference_size
    if len(used) <= size:
        return used
    if project.settings.monitoring.consecutive:
        return used[-size:]
    return np.sort(stream(project.settings.project.seed, model.round, KIND).choice(used, size, replace=False))


def _unseen_proba(project: Project, model: Model, positions: Indices, features: Any) -> Probabilities:
    """(n, n_classes) of the model; of the items it was trained on, of models that were not, as it would be of new ones.

    Without that the reference would look surer than any window can.
    """
    from querist.models.persistence import load as load_learner

    settings, classes = project.settings, model.learner["classes"]
    learner = load_learner(project.artifacts.get(model.artifact), trusted=settings.learner.trusted_types)
    proba = np.zeros((len(positions), len(classes)), dtype=np.float32)
    for part, rows in features.blocks(positions):
        proba[part] = learner.predict_proba(rows)
    labels = _labels(project, model)
    at, codes = labels["pool_positions"], labels["pool_codes"]
    if len(at) < FOLDS or not np.isin(positions, at).any():
        return proba
    spec, _ = project.features()
    held = labels["validation_positions"]
    validation = (features.rows(held), labels["validation_codes"]) if len(held) else None
    fold = stream(settings.project.seed, model.round, KIND, "folds").permutation(len(at)) % FOLDS
    for number in range(FOLDS):
        asked = np.isin(positions, at[fold == number])
        if asked.any():
            rest = fold != number
            fresh = make_learner(spec, settings.learner, classes, seed=settings.project.seed, searching=False)
            fresh.fit(features.rows(at[rest]), codes[rest], validation=validation)
            proba[asked] = fresh.predict_proba(features.rows(positions[asked]))
    return proba


def _labels(project: Project, model: Model) -> dict[str, Indices | Codes]:
    with project.ledger.read() as tx:
        done = [s for s in list_steps(tx) if s.name == "human_labeling" and s.round <= model.round]
    return project.artifacts.get_arrays(done[-1].result["labels"])
