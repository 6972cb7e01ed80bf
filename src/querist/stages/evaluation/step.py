"""Evaluation: the current model on the frozen holdout, every metric with its interval, and whether to stop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.asking import candidates, seconds_spent
from querist.config.loop import ObjectiveSettings
from querist.core.hashing import key_of
from querist.core.selection import stream
from querist.core.types import Codes, Indices, Probabilities, Targets
from querist.stages.evaluation.calibration import brier, ece_limit, expected_calibration_error, warning
from querist.stages.evaluation.intervals import bootstrap, per_class
from querist.stages.evaluation.of_sets import decisions
from querist.stages.evaluation.stopping import Spent, Stop, decide
from querist.step import Context, StepResult
from querist.store.analyses import add_analysis
from querist.store.annotations import Effort, effort
from querist.store.ledger import Tx
from querist.store.models import Metric, Model, add_metrics
from querist.training import Labels, current_model, find_labels, load_learner, open_labels, predict


@dataclass(frozen=True)
class Inputs:
    labels: Labels
    model: Model
    spent: Spent
    pool_left: int
    today: date
    settings: str

    @property
    def key(self) -> str:
        return key_of(self.labels.artifact, self.model.version, self.settings)


@dataclass(frozen=True)
class Outputs:
    metrics: list[Metric]
    warnings: list[str]
    stop: Stop | None
    spent: Spent
    pool_left: int
    model_version: str
    predictions: dict[str, NDArray[Any]]


class Evaluation:
    NAME = "evaluation"
    VERSION = 1
    uses_model = True

    def read(self, tx: Tx, ctx: Context) -> Inputs:
        return Inputs(
            labels=find_labels(tx, ctx),
            model=current_model(tx),
            spent=spending(effort(tx), ctx.settings.objective),
            pool_left=len(candidates(tx, ctx)),
            today=ctx.now.date(),
            settings=ctx.settings_key,
        )

    def compute(self, inputs: Inputs, ctx: Context) -> Outputs:
        metrics: list[Metric] = []
        warnings: list[str] = []
        predictions: dict[str, NDArray[Any]] = {}
        known = open_labels(inputs.labels, ctx)
        if len(known["test"][0]) == 0:
            warnings.append(
                "no labeled holdout, so quality is unknown: label holdout items and import them with "
                "`querist labels import --holdout FILE`"
            )
        else:
            predictions = predict_holdout(inputs.model, *known["test"], ctx)
            metrics, warnings = self._measure(inputs.model, predictions, ctx)
        objective = ctx.settings.objective
        goal = next((m for m in metrics if m.name == objective.metric), None)
        stop = decide(
            objective,
            value_low=None if goal is None else goal.low,
            value=None if goal is None else goal.value,
            value_high=None if goal is None else goal.high,
            spent=inputs.spent,
            pool_left=inputs.pool_left,
            today=inputs.today,
        )
        return Outputs(metrics, warnings, stop, inputs.spent, inputs.pool_left, inputs.model.version, predictions)

    def keep(self, outputs: Outputs, ctx: Context) -> tuple[Outputs, str]:
        return outputs, ctx.artifacts.put_arrays(**outputs.predictions) if outputs.predictions else ""

    def write(self, tx: Tx, kept: tuple[Outputs, str], ctx: Context) -> StepResult:
        outputs, name = kept
        add_metrics(tx, outputs.metrics, now=ctx.now)
        if name:
            found = {
                "predictions": name,
                "model_version": outputs.model_version,
                "n": len(outputs.predictions["positions"]),
                "classes": list(ctx.classes),
            }
            add_analysis(tx, "evaluation", found, round=ctx.round, now=ctx.now)
        stop = outputs.stop
        return StepResult(
            "done",
            {
                "warnings": outputs.warnings,
                "stop": None if stop is None else {"which": stop.which, "reason": stop.reason},
                "spent": vars(outputs.spent),
                "pool_left": outputs.pool_left,
            },
        )

    def _measure(
        self, model: Model, predictions: dict[str, NDArray[Any]], ctx: Context
    ) -> tuple[list[Metric], list[str]]:
        settings = ctx.settings.evaluation
        y, proba = truth_of(predictions["codes"]), predictions["proba"]
        rng = stream(ctx.settings.project.seed, ctx.round, self.NAME)
        found: dict[str, tuple[float, float | None, float | None]] = {}
        for name in dict.fromkeys([ctx.settings.objective.metric, *settings.metrics]):
            found[name] = bootstrap(
                name,
                y,
                proba,
                ctx.classes,
                confidence=settings.confidence,
                resamples=settings.resamples,
                rng=rng,
                groups=predictions.get("groups"),
                stratified=settings.stratified,
            )
        for row in per_class(y, proba, ctx.classes):
            for name in ("precision", "recall", "f1"):
                found.setdefault(f"{name}:{row['class']}", (row[name], None, None))
        single, sure, groups = one_by_one(y, proba, predictions.get("groups"))
        ece = expected_calibration_error(single, sure)
        limit = ece_limit(sure, settings.confidence, rng, groups=groups)
        found |= {"ece": (ece, None, None), "ece_limit": (limit, None, None)}
        found |= {"brier": (brier(single, sure), None, None)}
        warned = warning(ece, limit, settings.calibration_tolerance)
        metrics = [
            Metric(ctx.round, name, model.version, value, _known(low), _known(high), len(y), model.n_labels)
            for name, (value, low, high) in found.items()
            if np.isfinite(value)
        ]
        warnings = [warned] if warned else []
        undefined = sorted(set(found) - {m.name for m in metrics})
        if undefined:
            warnings.append(f"undefined on this holdout: {', '.join(undefined)}; label holdout items of more classes")
        warnings += without_interval(ctx.settings.objective, metrics)
        return metrics, warnings


def truth_of(stored: NDArray[Any]) -> Targets:
    """The true classes as `predict_holdout` left them."""
    return stored if stored.ndim == 2 else stored.astype(np.int64)


def one_by_one(
    y: Targets, proba: Probabilities, groups: NDArray[Any] | None
) -> tuple[Codes, Probabilities, NDArray[Any] | None]:
    """Truth, probabilities and groups as they are where items have one label; of several, each decision about a label
    by itself, in groups of one item (or of its group)."""
    if y.ndim == 1:
        return y, proba, groups
    codes, sure, of = decisions(y, proba)
    return codes, sure, of if groups is None else groups[of]


def predict_holdout(model: Model, positions: Indices, y: Targets, ctx: Context) -> dict[str, NDArray[Any]]:
    """What `pipeline.quality` opens again: `positions` and true `codes` (n,), `proba` (n, n_classes), and `groups` (n,)
    where holdout items share some. Of several labels `codes` are (n, n_classes) bool."""
    small = np.int16 if len(ctx.classes) <= np.iinfo(np.int16).max else np.int32
    codes = y if y.ndim == 2 else y.astype(small)
    proba = predict(model, load_learner(model, ctx), positions, ctx, hold=True)
    arrays: dict[str, NDArray[Any]] = {"positions": positions.astype(np.int64), "codes": codes, "proba": proba}
    if (groups := ctx.snapshot.groups(positions)) is not None:
        arrays["groups"] = np.unique(groups, return_inverse=True)[1].astype(np.int32)
    return arrays


def without_interval(objective: ObjectiveSettings, metrics: list[Metric]) -> list[str]:
    """A sentence where the metric of the goal has a value and no interval, so that the goal cannot be met."""
    found = next((m for m in metrics if m.name == objective.metric), None)
    if objective.goal is None or found is None or (found.low is not None and found.high is not None):
        return []
    return [
        f"{objective.metric} has no interval on this holdout of {found.n_items:,} items, so its goal cannot be met "
        "yet; label more holdout items of each class"
    ]


def _known(bound: float | None) -> float | None:
    return None if bound is None or not np.isfinite(bound) else bound


def spending(asked: Effort, objective: ObjectiveSettings) -> Spent:
    """What the labels asked so far took."""
    money = asked.labels * (objective.cost_per_label or 0.0)
    return Spent(labels=asked.labels, money=money, hours=seconds_spent(asked, objective) / 3600)
