"""Training as a step: shared by the first model and by every retraining."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from querist.config.loop import LearnerSettings
from querist.core.errors import LedgerError, SettingError, UnknownName
from querist.core.hashing import key_of
from querist.core.losses import log_losses
from querist.core.types import Codes, Indices, Probabilities, Targets
from querist.models.learner import ScikitLearner
from querist.models.learners import LearnerSpec
from querist.models.one_vs_rest import OneVsRest
from querist.models.persistence import dump, load
from querist.step import Context, StepResult
from querist.store.artifacts import Artifacts
from querist.store.ledger import Tx
from querist.store.models import Model, add_model, list_models
from querist.store.steps import list_steps

LABELS = "human_labeling"
PART = "part:"
"""Before the name of a measure: what it said by itself, beside the scores, where items may have several labels."""


@dataclass(frozen=True)
class Plan:
    kind: Literal["full", "warm", "none"]
    reason: str


@dataclass(frozen=True)
class Labels:
    """What a human labeling left: its round, the artifact with positions and codes, and the classes these count."""

    round: int
    artifact: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class TrainingInputs:
    labels: Labels
    previous: Model | None
    losses: Sequence[float]
    settings: str
    forced: str = ""

    @property
    def key(self) -> str:
        version = self.previous.version if self.previous else None
        return key_of(self.labels.artifact, version, self.settings, *([self.forced] if self.forced else []))


@dataclass(frozen=True)
class TrainingOutputs:
    plan: Plan
    version: str
    learner: bytes
    report: Mapping[str, Any]
    n_labels: int
    validation_loss: float | None
    previous: Model | None
    round: int


class Training(ABC):
    """Trains on the labels that human labeling left, and records the model version. Subclasses say when and how."""

    NAME = "training"
    VERSION = 1
    uses_model = False

    @abstractmethod
    def plan(
        self, *, previous: Model | None, new_labels: int, validation_losses: Sequence[float], ctx: Context
    ) -> Plan:
        """Full, warm or none, and why."""

    def forced(self, tx: Tx, ctx: Context) -> str:
        """Why the training is a full one whatever `plan` would say; empty where nobody asked for that."""
        return ""

    def read(self, tx: Tx, ctx: Context) -> TrainingInputs:
        models = list_models(tx)
        return TrainingInputs(
            labels=find_labels(tx, ctx),
            previous=models[-1] if models else None,
            losses=[m.validation_loss for m in models if m.validation_loss is not None],
            settings=key_of(ctx.settings.learner.model_dump(mode="json"), ctx.settings.project.seed),
            forced=self.forced(tx, ctx),
        )

    def compute(self, inputs: TrainingInputs, ctx: Context) -> TrainingOutputs:
        known, previous, round = open_labels(inputs.labels, ctx), inputs.previous, inputs.labels.round
        positions, codes = known["pool"]
        if len(positions) == 0:
            raise LedgerError("there is no label to train on; every query was skipped. Label some items and run again")
        new_labels = len(positions) - (previous.n_labels if previous else 0)
        if inputs.forced:
            plan = Plan("full", inputs.forced)
        else:
            plan = self.plan(previous=previous, new_labels=new_labels, validation_losses=inputs.losses, ctx=ctx)
        if plan.kind == "none":
            return TrainingOutputs(plan, "", b"", {}, len(positions), None, previous, round)
        settings = ctx.settings.learner
        learner = make_learner(
            ctx.learner,
            settings,
            ctx.classes,
            seed=ctx.settings.project.seed,
            searching=plan.kind == "full",
            several=ctx.sets is not None,
        )
        warm_from = None
        if plan.kind == "warm" and previous is not None and previous.learner["classes"] == list(ctx.classes):
            warm_from = load(ctx.artifacts.get(previous.artifact), trusted=settings.trusted_types)
        validation = None
        if len(known["validation"][0]):
            validation = (ctx.features.rows(known["validation"][0], hold=True), known["validation"][1])
        rows = ctx.features.rows(positions)
        version = f"r{round:03d}-{inputs.key[:8]}"
        learner.on_loss = None if ctx.on_loss is None else partial(ctx.on_loss, version)
        with ctx.stopwatch("fit"):
            learner.fit(rows, codes, validation=validation, warm_from=warm_from)
        with ctx.stopwatch("losses"):
            losses = learner.loss_curves(rows, codes, validation=validation)
        data = dump(learner)
        if ":" in ctx.learner.head:  # a stranger's estimator: better refused now than when the next round loads it
            load(data, trusted=settings.trusted_types)
        return TrainingOutputs(
            plan=plan,
            version=version,
            learner=data,
            report={**asdict(learner.report), "losses": losses},
            n_labels=len(positions),
            validation_loss=_log_loss(learner, validation, ctx),
            previous=previous,
            round=round,
        )

    def keep(self, outputs: TrainingOutputs, ctx: Context) -> tuple[TrainingOutputs, str]:
        return outputs, "" if outputs.plan.kind == "none" else ctx.artifacts.put(outputs.learner)

    def write(self, tx: Tx, kept: tuple[TrainingOutputs, str], ctx: Context) -> StepResult:
        outputs, artifact = kept
        values = {"plan": outputs.plan.kind, "reason": outputs.plan.reason, "n_labels": outputs.n_labels}
        if outputs.plan.kind == "none":
            return StepResult("done", {**values, "version": outputs.previous.version if outputs.previous else None})
        model = Model(
            version=outputs.version,
            round=outputs.round,
            artifact=artifact,
            parent=outputs.previous.version if outputs.previous else None,
            learner={**_learner_of(ctx), "classes": list(ctx.classes), "plan": outputs.plan.kind},
            report=outputs.report,
            n_labels=outputs.n_labels,
            validation_loss=outputs.validation_loss,
        )
        add_model(tx, model, now=ctx.now)
        return StepResult("done", {**values, "version": outputs.version})


def find_labels(tx: Tx, ctx: Context) -> Labels:
    """What the last human labeling up to this round left."""
    done = [step for step in list_steps(tx) if step.name == LABELS and step.round <= ctx.round]
    if not done:
        raise LedgerError(f"round {ctx.round} has no labels yet; human labeling comes first")
    return Labels(done[-1].round, done[-1].result["labels"], tuple(done[-1].result["classes"]))


def open_labels(labels: Labels, ctx: Context) -> dict[str, tuple[Indices, Targets]]:
    """Positions and today's class codes by split: pool, validation, test."""
    return known_targets(ctx.artifacts.get_arrays(labels.artifact), labels.classes, ctx.classes)


def known_targets(
    arrays: Mapping[str, NDArray[Any]], classes: Sequence[str], today: Sequence[str]
) -> dict[str, tuple[Indices, Targets]]:
    """What a human labeling left, by split: positions, and which of today's classes those items have."""
    codes = codes_of(classes, today)
    found = {}
    for split in ("pool", "validation", "test"):
        kept: Targets = arrays[f"{split}_codes"]
        if kept.ndim == 2:
            has = np.zeros((len(kept), len(today)), dtype=bool)
            has[:, codes] = kept
        found[split] = (arrays[f"{split}_positions"], has if kept.ndim == 2 else codes[kept])
    return found


def current_model(tx: Tx) -> Model:
    models = list_models(tx)
    if not models:
        raise LedgerError("there is no model yet; run round 0 first")
    return models[-1]


def predict(
    model: Model, learner: ScikitLearner, positions: Indices, ctx: Context, *, hold: bool = False
) -> Probabilities:
    """(len(positions), n_classes) float32 over today's classes; classes newer than the model get 0. `hold` the features
    of positions that every round predicts.
    """
    proba = np.zeros((len(positions), len(ctx.classes)), dtype=np.float32)
    columns = codes_of(model.learner["classes"], ctx.classes)
    for part, rows in ctx.features.blocks(positions, hold=hold):
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


def learner_change(was: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """How the second of two recorded learners came to read other features than the first; None where both read the
    same."""
    if was["features"] == now["features"]:
        return None
    before, after = _described(was), _described(now)
    if before == after:
        return f"the encoder of {after} changed: another project.seed, or another version behind its name"
    return f"the learner changed from {before} to {after}"


def change_since(model: Model, ctx: Context) -> str | None:
    """Why a model cannot read today's features, if it cannot: those of another encoder would mean nothing to it."""
    return learner_change(model.learner, _learner_of(ctx))


def _learner_of(ctx: Context) -> dict[str, Any]:
    """The learner of the settings as the record keeps it; `features` names all that the features depend on."""
    recorded: dict[str, Any] = json.loads(json.dumps({**asdict(ctx.learner), "features": ctx.features.space}))
    return recorded


def _described(learner: Mapping[str, Any]) -> str:
    """tfidf(chars=[3, 4]) + logistic"""
    params = ", ".join(f"{name}={value!r}" for name, value in learner["encoder_params"].items())
    return f"{learner['encoder']}{f'({params})' if params else ''} + {learner['head']}"


def load_learner(model: Model, ctx: Context) -> ScikitLearner:
    """The model, to be applied to today's features. Raises SettingError when it was trained on others."""
    if change := change_since(model, ctx):
        raise SettingError(
            f"{change}, and had already changed once in round {ctx.round}; set it back to "
            f"{_described(model.learner)} until that round is evaluated, then change it again"
        )
    return _opened(ctx.artifacts, model.artifact, tuple(ctx.settings.learner.trusted_types))


@lru_cache(maxsize=1)
def _opened(artifacts: Artifacts, name: str, trusted: tuple[str, ...]) -> ScikitLearner:
    """Opened once for the steps that apply the same model one after the other."""
    return load(artifacts.get(name), trusted=trusted)


def make_learner(
    spec: LearnerSpec,
    settings: LearnerSettings,
    classes: Sequence[str],
    *,
    seed: int,
    searching: bool = True,
    several: bool = False,
) -> ScikitLearner:
    """The untrained learner of the settings; `searching` False keeps the hyper-parameters as they are, `several` is for
    items with several labels.
    """
    return (OneVsRest if several else ScikitLearner)(
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


def _log_loss(learner: ScikitLearner, validation: tuple[Any, Targets] | None, ctx: Context) -> float | None:
    if validation is None:
        return None
    with ctx.stopwatch("predict"):
        proba = learner.predict_proba(validation[0])
    return float(log_losses(validation[1], proba).mean())
