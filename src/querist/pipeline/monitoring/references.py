"""The drift reference of a model version: what it predicts on items like those it learned from, kept with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from querist.core.errors import DataError
from querist.core.selection import stream
from querist.core.types import Codes, Indices, Probabilities
from querist.pipeline.monitoring.drift_rounds import newest_drift_round
from querist.snapshots.snapshot import POOL, Snapshot
from querist.stages.monitoring.calibrate import LEAST_DRAWS, LEAST_WINDOW, calibrate, values_of
from querist.stages.monitoring.reference import Reference, dump, load
from querist.stages.monitoring.sample import Column, Sample, as_column, vocabulary
from querist.stages.monitoring.views import views
from querist.store.analyses import add_analysis, list_analyses
from querist.store.models import Model, list_models
from querist.store.rounds import get_round
from querist.store.steps import list_steps
from querist.training import make_learner

if TYPE_CHECKING:
    from querist.pipeline.project import Project

KIND = "drift_reference"
FOLDS = 5
MOST_COMPARED = 2_000
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
        raise DataError("there is no model yet; run `querist run` and label what it asks, it then trains one")
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
    with project.ledger.read() as tx:
        snapshot = Snapshot.open(project.snapshots_url, get_round(tx, model.round).snapshot)
        drifted = newest_drift_round(tx, until=model.round)
    positions = _positions(project, model, snapshot, None if drifted is None else drifted.since, features)
    proba = _unseen_proba(project, model, snapshot, positions, features)
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
            several=project.settings.data.sets is not None,
        ),
        positions=positions,
        vocabulary=words,
    )


def _positions(project: Project, model: Model, snapshot: Snapshot, since: int | None, features: Any) -> Indices:
    """Items as the model meets them, so duplicates too: those of validation and holdout, and those of the pool where
    the encoder has not learned them by heart. After a drift round those since the drift alone, where they are enough,
    for the past is no longer what the model meets.
    """
    every = np.arange(snapshot.n_items)
    if since is not None and len(every) - since >= LEAST:
        used = every[since:]
    else:
        held = np.flatnonzero(snapshot.splits() != POOL)
        pool = np.flatnonzero(snapshot.splits() == POOL)
        used = held if _by_heart(project, model, held, pool, features) else every
    size = project.settings.monitoring.reference_size
    if len(used) <= size:
        return used
    if project.settings.monitoring.consecutive:
        return used[-size:]
    return np.sort(stream(project.settings.project.seed, model.round, KIND).choice(used, size, replace=False))


def _by_heart(project: Project, model: Model, held: Indices, pool: Indices, features: Any) -> bool:
    """Whether embeddings tell the pool, which the encoder was fitted on, from items held out of it at random.

    A small vocabulary learned from few texts fits them better than any other text; every window would look drifted.
    """
    if len(held) < LEAST_WINDOW or len(pool) < LEAST_WINDOW:
        return False
    rng = stream(project.settings.project.seed, model.round, KIND, "by heart")
    some = [np.sort(rng.permutation(side)[:MOST_COMPARED]) for side in (pool, held)]
    inside, outside = (Sample(np.zeros((len(at), 1)), features.embed(at)) for at in some)
    both = inside.join(outside)
    tests = views(both, ("mmd",))
    made = calibrate(both, tests, ("mmd",), len(outside), level=0.05, draws=LEAST_DRAWS, rng=rng)
    return bool(made.judge(values_of(inside, outside, tests)).over)


def _unseen_proba(
    project: Project, model: Model, snapshot: Snapshot, positions: Indices, features: Any
) -> Probabilities:
    """(n, n_classes) of the model; of the items it was trained on, and their duplicates, of models that were not.

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
    meant = snapshot.primaries(positions)
    if len(at) < FOLDS or not np.isin(meant, at).any():
        return proba
    spec, _ = project.features()
    held = labels["validation_positions"]
    validation = (features.rows(held), labels["validation_codes"]) if len(held) else None
    fold = stream(settings.project.seed, model.round, KIND, "folds").permutation(len(at)) % FOLDS
    for number in range(FOLDS):
        asked = np.isin(meant, at[fold == number])
        if asked.any():
            rest = fold != number
            fresh = make_learner(
                spec,
                settings.learner,
                classes,
                seed=settings.project.seed,
                searching=False,
                several=settings.data.sets is not None,
            )
            fresh.fit(features.rows(at[rest]), codes[rest], validation=validation)
            proba[asked] = fresh.predict_proba(features.rows(positions[asked]))
    return proba


def _labels(project: Project, model: Model) -> dict[str, Indices | Codes]:
    with project.ledger.read() as tx:
        done = [s for s in list_steps(tx) if s.name == "human_labeling" and s.round <= model.round]
    return project.artifacts.get_arrays(done[-1].result["labels"])
