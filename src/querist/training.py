"""Training as a step: shared by the first model and by every retraining."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from querist.config import LearnerSettings
from querist.core.errors import LedgerError, SettingError, UnknownName
from querist.core.hashing import key_of
from querist.core.types import Codes, Indices, Probabilities
from querist.models.learner import ScikitLearner
from querist.models.learners import LearnerSpec
from querist.models.persistence import dump, load
from querist.step import Context, StepResult
from querist.store.ledger import Tx
from querist.store.models import Model, add_model, list_models
from querist.store.steps import find_step

LABELS = "human_labeling"


@dataclass(frozen=True)
class Plan:
    kind: Literal["full", "warm", "none"]
    reason: str


@dataclass(frozen=True)
class TrainingInputs:
    labels: str
    positions: Indices
    codes: Codes
    validation: tuple[Indices, Codes]
    previous: Model | None
    losses: Sequence[float]
    settings: str

    @property
    def key(self) -> str:
        return key_of(self.labels, self.previous.version if self.previous else None, self.settings)


@dataclass(frozen=True)
class TrainingOutputs:
    plan: Plan
    version: str
    learner: bytes
    report: Mapping[str, Any]
    n_labels: int
    validation_loss: float | None
    previous: Model | None


class Training(ABC):
    """Trains on the labels that human labeling left, and records the model version. Subclasses say when and how."""

    NAME = "training"
    VERSION = 1

    @abstractmethod
    def plan(self, *, new_labels: int, validation_losses: list[float], ctx: Context) -> Plan:
        """Full, warm or none, and why."""

    def read(self, tx: Tx, ctx: Context) -> TrainingInputs:
        arrays, name = read_labels(tx, ctx)
        models = list_models(tx)
        return TrainingInputs(
            labels=name,
            positions=arrays["pool_positions"],
            codes=arrays["pool_codes"],
            validation=(arrays["validation_positions"], arrays["validation_codes"]),
            previous=models[-1] if models else None,
            losses=[m.validation_loss for m in models if m.validation_loss is not None],
            settings=key_of(ctx.settings.learner.model_dump(mode="json"), ctx.settings.project.seed),
        )

    def compute(self, inputs: TrainingInputs, ctx: Context) -> TrainingOutputs:
        if len(inputs.positions) == 0:
            raise LedgerError("there is no label to train on; every query was skipped. Label some items and run again")
        previous = inputs.previous
        new_labels = len(inputs.positions) - (previous.n_labels if previous else 0)
        plan = self.plan(new_labels=new_labels, validation_losses=list(inputs.losses), ctx=ctx)
        if plan.kind == "none":
            return TrainingOutputs(plan, "", b"", {}, len(inputs.positions), None, previous)
        settings = ctx.settings.learner
        learner = make_learner(
            ctx.learner, settings, ctx.classes, seed=ctx.settings.project.seed, searching=plan.kind == "full"
        )
        warm_from = None
        if plan.kind == "warm" and previous is not None and previous.learner["classes"] == list(ctx.classes):
            warm_from = load(ctx.artifacts.get(previous.artifact), trusted=settings.trusted_types)
        validation = None
        if len(inputs.validation[0]):
            validation = (ctx.features.rows(inputs.validation[0]), inputs.validation[1])
        rows = ctx.features.rows(inputs.positions)
        with ctx.stopwatch("fit"):
            learner.fit(rows, inputs.codes, validation=validation, warm_from=warm_from)
        data = dump(learner)
        if ":" in ctx.learner.head:  # a stranger's estimator: better refused now than when the next round loads it
            load(data, trusted=settings.trusted_types)
        return TrainingOutputs(
            plan=plan,
            version=f"r{ctx.round:03d}-{inputs.key[:8]}",
            learner=data,
            report=asdict(learner.report),
            n_labels=len(inputs.positions),
            validation_loss=_log_loss(learner, validation, ctx),
            previous=previous,
        )

    def write(self, tx: Tx, outputs: TrainingOutputs, ctx: Context) -> StepResult:
        values = {"plan": outputs.plan.kind, "reason": outputs.plan.reason, "n_labels": outputs.n_labels}
        if outputs.plan.kind == "none":
            return StepResult("done", {**values, "version": outputs.previous.version if outputs.previous else None})
        model = Model(
            version=outputs.version,
            round=ctx.round,
            artifact=ctx.artifacts.put(outputs.learner),
            parent=outputs.previous.version if outputs.previous else None,
            learner={**asdict(ctx.learner), "classes": list(ctx.classes), "plan": outputs.plan.kind},
            report=outputs.report,
            n_labels=outputs.n_labels,
            validation_loss=outputs.validation_loss,
        )
        add_model(tx, model, now=ctx.now)
        return StepResult("done", {**values, "version": outputs.version})


def read_labels(tx: Tx, ctx: Context) -> tuple[dict[str, NDArray[Any]], str]:
    """The labels known after this round's human labeling, by split, and the name of the artifact that holds them."""
    done = find_step(tx, ctx.round, LABELS)
    if done is None:
        raise LedgerError(f"round {ctx.round} has no labels yet; human labeling comes first")
    name, codes = done.result["labels"], codes_of(done.result["classes"], ctx.classes)
    arrays = ctx.artifacts.get_arrays(name)
    return {part: codes[values] if part.endswith("_codes") else values for part, values in arrays.items()}, name


def current_model(tx: Tx) -> Model:
    models = list_models(tx)
    if not models:
        raise LedgerError("there is no model yet; run round 0 first")
    return models[-1]


def predict(model: Model, learner: ScikitLearner, positions: Indices, ctx: Context) -> Probabilities:
    """(len(positions), n_classes) float32 over today's classes; classes newer than the model get 0."""
    proba = np.zeros((len(positions), len(ctx.classes)), dtype=np.float32)
    columns = codes_of(model.learner["classes"], ctx.classes)
    _require_same_features(model, ctx)
    for part, rows in ctx.features.blocks(positions):
        with ctx.stopwatch("predict"):
            proba[part, columns] = learner.predict_proba(rows)
        ctx.progress("predict", part.stop, len(positions))
    return proba


def codes_of(known: Sequence[str], classes: Sequence[str]) -> Codes:
    """Today's codes of the classes that a model or a set of labels knows, by name."""
    if missing := [name for name in known if name not in classes]:
        raise SettingError(
            f"class {missing[0]!r} has been learned but is not among the classes {list(classes)}; "
            "put it back into data.classes, or start a new project"
        )
    return np.array([list(classes).index(name) for name in known], dtype=np.int64)


def _require_same_features(model: Model, ctx: Context) -> None:
    """A model reads the features it was trained on; those of another encoder would mean nothing to it."""
    was = {"encoder": model.learner["encoder"], "encoder_params": dict(model.learner["encoder_params"])}
    now = json.loads(json.dumps({"encoder": ctx.learner.encoder, "encoder_params": dict(ctx.learner.encoder_params)}))
    if was != now:
        raise SettingError(
            f"model {model.version} was trained on the features of {was}, the settings now say {now}; "
            "set the encoder back, or start a new project with these labels (`querist labels export`)"
        )


def load_learner(model: Model, ctx: Context) -> ScikitLearner:
    return load(ctx.artifacts.get(model.artifact), trusted=ctx.settings.learner.trusted_types)


def make_learner(
    spec: LearnerSpec, settings: LearnerSettings, classes: Sequence[str], *, seed: int, searching: bool = True
) -> ScikitLearner:
    """The untrained learner of the settings; `searching` False keeps the hyper-parameters as they are."""
    return ScikitLearner(
        spec.head,
        spec.params,
        len(classes),
        class_weight=class_weights(settings.class_weight, classes),
        calibration=settings.calibration,
        calibrate_on=settings.calibrate_on,
        search=settings.search if searching else {},
        seed=seed,
    )


def class_weights(setting: Any, classes: Sequence[str]) -> Any:  # Any: None, "balanced" or a dict, as in the settings
    if not isinstance(setting, dict):
        return setting
    unknown = set(setting) - set(classes)
    if unknown:
        raise UnknownName("class in learner.class_weight", sorted(unknown)[0], classes)
    return {code: float(setting.get(label, 1.0)) for code, label in enumerate(classes)}


def _log_loss(learner: ScikitLearner, validation: tuple[Any, Codes] | None, ctx: Context) -> float | None:
    if validation is None:
        return None
    with ctx.stopwatch("predict"):
        proba = learner.predict_proba(validation[0])
    truth = np.clip(proba[np.arange(len(proba)), validation[1]].astype(np.float64), 1e-15, 1.0)
    return float(-np.log(truth).mean())
