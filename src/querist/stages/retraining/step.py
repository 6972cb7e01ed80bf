"""Model retraining: after each batch, after N labels, on a plateau of the validation loss, on a schedule, after drift,
by hand, or on other features."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from querist.stages.retraining.policy import decide
from querist.step import Context
from querist.store.analyses import list_analyses
from querist.store.ledger import Tx
from querist.store.models import Model
from querist.training import Plan, Training, change_since

TRIGGER, DRIFT = "trigger", "drift_round"
"""Analyses that may ask for a full training of a round."""


class Retraining(Training):
    NAME = "retraining"

    def forced(self, tx: Tx, ctx: Context) -> str:
        asked = [f"by hand: {a.result['why']}" for a in list_analyses(tx, TRIGGER, round=ctx.round) if a.result["full"]]
        drifted = [f"drift: {a.result['why']}" for a in list_analyses(tx, DRIFT, round=ctx.round)]
        return "; ".join([*drifted, *asked])

    def plan(
        self, *, previous: Model | None, new_labels: int, validation_losses: Sequence[float], ctx: Context
    ) -> Plan:
        if previous and (change := change_since(previous, ctx)):
            return Plan("full", change)
        decision = decide(
            ctx.settings.retraining,
            new_labels=new_labels,
            has_model=True,
            validation_losses=validation_losses,
            days=(ctx.now - datetime.fromisoformat(previous.at)) / timedelta(days=1) if previous else 0.0,
        )
        return Plan(decision.kind, decision.reason)


class LearnerChange(Training):
    """Trains on the labels known so far, because the settings name other features than the model was trained on."""

    NAME = "learner_change"

    def plan(
        self, *, previous: Model | None, new_labels: int, validation_losses: Sequence[float], ctx: Context
    ) -> Plan:
        change = change_since(previous, ctx) if previous else None
        return Plan("full", change) if change else Plan("none", "the model reads the features of the settings")
