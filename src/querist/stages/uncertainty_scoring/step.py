"""Uncertainty scoring: probabilities and scores of every item that may be asked, left in the artifacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from querist.asking import budget_left, candidates, usable
from querist.core.hashing import key_of
from querist.core.types import Indices, Probabilities, Scores
from querist.models.learner import ScikitLearner
from querist.stages.uncertainty_scoring.schedule import share_done, weights_at
from querist.stages.uncertainty_scoring.scores import scores_of
from querist.step import Context, StepResult
from querist.store.annotations import effort
from querist.store.ledger import Tx
from querist.store.models import Model
from querist.training import PART, Labels, current_model, find_labels, load_learner, open_labels, predict

MOST = 0.8


@dataclass(frozen=True)
class Inputs:
    positions: Indices
    model: Model
    measures: dict[str, float]
    labels: Labels

    @property
    def key(self) -> str:
        return key_of(self.positions, self.model.version, self.measures)


@dataclass(frozen=True)
class Outputs:
    positions: Indices
    proba: Probabilities
    scores: Scores
    model: Model
    measures: dict[str, float]
    parts: Mapping[str, Scores]


class UncertaintyScoring:
    """`measures` have weights, or [start, end] of weights that move as the budget is spent; the record has today's."""

    NAME = "uncertainty_scoring"
    VERSION = 1
    uses_model = True

    def __init__(self, measures: Mapping[str, float | Sequence[float]]) -> None:
        self.measures = measures

    def read(self, tx: Tx, ctx: Context) -> Inputs:
        spent, query = effort(tx), ctx.settings.query
        share = share_done(ctx.round, query.horizon, spent.labels, budget_left(spent, ctx.settings.objective))
        labels = find_labels(tx, ctx)
        return Inputs(candidates(tx, ctx), current_model(tx), weights_at(self.measures, share), labels)

    def compute(self, inputs: Inputs, ctx: Context) -> Outputs:
        learner = load_learner(inputs.model, ctx)
        proba = _predict(inputs, learner, ctx)
        known = open_labels(inputs.labels, ctx)["pool"][1] if ctx.sets else None
        scores, parts = scores_of(ctx.settings.query, inputs.measures, proba, ctx.classes, known)
        kept = {name: part.astype(np.float32) for name, part in parts.items()} if ctx.sets else {}
        return Outputs(inputs.positions, proba, scores.astype(np.float32), inputs.model, inputs.measures, kept)

    def keep(self, outputs: Outputs, ctx: Context) -> tuple[Outputs, str]:
        arrays = {"positions": outputs.positions, "proba": outputs.proba, "scores": outputs.scores}
        arrays |= {f"{PART}{name}": part for name, part in outputs.parts.items()}
        return outputs, ctx.artifacts.put_arrays(**arrays)

    def write(self, tx: Tx, kept: tuple[Outputs, str], ctx: Context) -> StepResult:
        outputs, name = kept
        return StepResult(
            "done",
            {
                "scores": name,
                "n_items": len(outputs.positions),
                "model_version": outputs.model.version,
                "measures": outputs.measures,
                "quantiles": quantiles(outputs.scores),
            },
        )


def _predict(inputs: Inputs, learner: ScikitLearner, ctx: Context) -> Probabilities:
    """While most of the pool is open, all of it is predicted, so that its features can stay in memory as they are."""
    every = usable(ctx)
    if len(inputs.positions) < MOST * len(every):
        return predict(inputs.model, learner, inputs.positions, ctx)
    return predict(inputs.model, learner, every, ctx, hold=True)[np.searchsorted(every, inputs.positions)]


def quantiles(scores: Scores) -> dict[str, float]:
    """The score distribution of the round, for the record."""
    if not len(scores):
        return {}
    levels = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95, "max": 1.0}
    return {name: float(q) for name, q in zip(levels, np.quantile(scores, list(levels.values())), strict=True)}
