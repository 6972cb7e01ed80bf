"""From the record to the deployed folder: a model version with all that it needs to answer without the project."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from querist import __version__
from querist.core.errors import LedgerError, SettingError
from querist.core.label_sets import predicted, surest
from querist.core.types import Codes, Probabilities, Targets
from querist.pipeline.deploy.image import PACKAGE, write_image_files
from querist.pipeline.monitoring.references import find_model, reference_bytes
from querist.pipeline.reporting.model_card import model_card
from querist.stages.deploy.abstain import threshold
from querist.stages.deploy.bundle import (
    CARD,
    ENCODER,
    HERE,
    LEARNER,
    PROJECTION,
    REFERENCE,
    read_facts,
    write_bundle,
)
from querist.stages.raw_data.rows import feature_columns
from querist.store.models import Model, list_metrics
from querist.store.rounds import get_round
from querist.store.steps import list_steps

if TYPE_CHECKING:
    from querist.pipeline.project import Project

READ, SETS = {"kind", "text", "image", "numeric", "categorical"}, {"labels", "label_separator"}
"""The settings of the data that an answer rests on, and those besides where an item may have several labels."""
CARRIED = "encoder"
"""Folder of a version with the files that its encoder reads."""


def folder_of(project: Project, out: Path | None = None) -> Path:
    return out.absolute() if out else project.folder / project.settings.deploy.folder


def build(project: Project, version: str | None = None, *, out: Path | None = None) -> dict[str, Any]:
    """Builds a model version (default: the newest) into the deployed folder and returns its facts, with its image tag.

    It answers nothing yet: `promote` makes it the current one. Built again, it stays as it is. Raises SettingError
    where the validation items cannot promise `deploy.risk`, LedgerError where the model's encoder is gone.
    """
    from querist.stages.reporting.model_card import model_card_page

    folder, model = folder_of(project, out), find_model(project, version)
    card = model_card(project, model.version)
    carried = _carried(model.learner["encoder_params"])
    files = {
        LEARNER: project.artifacts.get(model.artifact),
        **_encoder_files(project, model),
        REFERENCE: reference_bytes(project, model.version),
        CARD: model_card_page(card).encode(),
        **carried,
    }
    facts = _facts(project, model, files)
    if carried:
        facts["learner"]["encoder_params"] = {**model.learner["encoder_params"], "model": HERE + CARRIED}
    built = write_bundle(folder, facts, files)
    found = read_facts(folder, built)
    return {**found, "folder": str(folder), **write_image_files(folder, found)}


def _facts(project: Project, model: Model, files: Mapping[str, bytes]) -> dict[str, Any]:
    from querist.models.encoders.make import make_encoder

    settings = project.settings
    with project.ledger.read() as tx:
        snapshot = _snapshot(project, get_round(tx, model.round).snapshot)
        metrics = [m for m in list_metrics(tx) if m.model_version == model.version]
    metric = next((m for m in reversed(metrics) if m.name == settings.objective.metric), None)
    encoder = make_encoder(model.learner["encoder"], model.learner["encoder_params"])
    learner = {
        **{name: value for name, value in model.learner.items() if name not in ("classes", "plan")},
        "identity": getattr(encoder, "identity", ""),
        "trusted_types": list(settings.learner.trusted_types),
    }
    facts: dict[str, Any] = {
        "model_version": model.version,
        "pipeline_version": __version__,
        "project": settings.project.name,
        "kind": snapshot.kind,
        "classes": list(model.learner["classes"]),
        "columns": feature_columns(settings.data),
        "data": settings.data.model_dump(mode="json", include=READ | (SETS if settings.data.sets else set())),
        "metric": {"name": settings.objective.metric, "value": None, "low": None, "high": None},
        "n_labels": model.n_labels,
        "created_at": project.clock().isoformat(timespec="seconds"),
        "learner": learner,
        "preprocessing": {"steps": snapshot.manifest.preprocessing},
    }
    if metric is not None:
        facts["metric"] |= {"value": metric.value, "low": metric.low, "high": metric.high}
    return {**facts, "abstain": _abstain(project, model, snapshot, learner, files)}


def _encoder_files(project: Project, model: Model) -> dict[str, bytes]:
    """The fitted encoder and projection as the features cache keeps them, whatever the settings say by now."""
    folder = project.folder / project.settings.storage.features / model.learner["features"]
    if not (folder / PROJECTION).is_file():
        project.features()  # the cache may have been deleted
    try:
        return {name: (folder / name).read_bytes() for name in (ENCODER, PROJECTION)}
    except FileNotFoundError:
        raise LedgerError(
            f"the encoder of model {model.version} is neither in {folder.parent} nor that of the settings; set the "
            "learner back to what it was, or build a newer model"
        ) from None


def _carried(params: Mapping[str, Any]) -> dict[str, bytes]:
    """What an encoder reads from a folder of this machine, as its setting `model` names it."""
    model = params.get("model")
    if not isinstance(model, str) or not model or model.startswith(PACKAGE):
        return {}
    files = sorted(path for path in Path(model).rglob("*") if path.is_file())
    return {f"{CARRIED}/{path.relative_to(model).as_posix()}": path.read_bytes() for path in files}


def _abstain(
    project: Project, model: Model, snapshot: Any, learner: Mapping[str, Any], files: Mapping[str, bytes]
) -> dict[str, float | None]:
    """From which confidence on the model answers alone, by its own answers on the labeled validation items; of several
    labels an answer is right where all of its set is."""
    from querist.stages.evaluation.curves import coverage

    risk = project.settings.deploy.risk
    if risk is None:
        return {"risk": None, "threshold": None}
    codes, proba, groups = _validation(project, model, snapshot, learner, files)
    found = None
    if len(codes):
        confidence = project.settings.evaluation.confidence
        curve = coverage(codes, proba, points=len(codes), confidence=confidence, groups=groups)
        found = threshold(curve, risk)
    if found is None:
        raise SettingError(
            f"deploy.risk = {risk}: no confidence promises it on {len(codes):,} labeled validation items; label more "
            "of them (`querist labels export --holdout N --split validation`), raise deploy.risk, or unset it"
        )
    return {"risk": risk, "threshold": found[0], "coverage": found[1]}


def _validation(
    project: Project, model: Model, snapshot: Any, learner: Mapping[str, Any], files: Mapping[str, bytes]
) -> tuple[Codes, Probabilities, NDArray[np.uint64] | None]:
    """True codes (n,), the answers of the very model that is deployed (n, n_classes), and the items' groups (n,), None
    where each stands for itself. Of several labels the question is whether the set is right: 1 where it is, and (n, 2).
    """
    from querist.models.encoders.make import make_encoder
    from querist.models.persistence import load

    with project.ledger.read() as tx:
        left = next(s for s in list_steps(tx) if (s.round, s.name) == (model.round, "human_labeling")).result
    arrays, classes = project.artifacts.get_arrays(left["labels"]), list(model.learner["classes"])
    places = np.array([classes.index(name) if name in classes else -1 for name in left["classes"]], dtype=np.int64)
    codes, known = _known(arrays["validation_codes"], places, len(classes))
    columns = [name for name in snapshot.columns() if name in ("text", "image") or name.startswith("x.")]
    positions = arrays["validation_positions"][known]
    items = snapshot.take(positions, columns).to_pydict()
    with np.load(io.BytesIO(files[ENCODER]), allow_pickle=False) as state:
        encoder = make_encoder(learner["encoder"], learner["encoder_params"]).restore(dict(state))
    proba = load(files[LEARNER], trusted=learner["trusted_types"]).predict_proba(encoder.transform(items))
    if codes.ndim == 2:
        right, sure = (predicted(proba) == codes).all(axis=1), surest(proba)
        codes, proba = right.astype(np.int64), np.column_stack([1 - sure, sure])
    return codes, proba, snapshot.groups(positions)


def _known(codes: Targets, places: Codes, n_classes: int) -> tuple[Targets, NDArray[np.bool_]]:
    """Codes over the model's classes, which stand at `places` (-1: the model does not know it), of the items that have
    no other; and which these are."""
    if codes.ndim == 1:
        found = places[codes.astype(np.int64)]
        return found[found >= 0], found >= 0
    known: NDArray[np.bool_] = np.logical_not(codes[:, places < 0].any(axis=1))
    members = np.zeros((int(known.sum()), n_classes), dtype=bool)
    members[:, places[places >= 0]] = codes[known][:, places >= 0]
    return members, known


def _snapshot(project: Project, id: str) -> Any:  # Any: snapshots.Snapshot, imported late because of pyarrow
    from querist.snapshots.snapshot import Snapshot

    return Snapshot.open(project.snapshots_url, id)
