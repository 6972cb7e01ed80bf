"""Model retraining: after each batch, after N labels, or when the validation loss has stopped improving."""

from __future__ import annotations

from querist.stages.retraining.policy import decide
from querist.step import Context
from querist.training import Plan, Training


class Retraining(Training):
    NAME = "retraining"

    def plan(self, *, new_labels: int, validation_losses: list[float], ctx: Context) -> Plan:
        decision = decide(
            ctx.settings.retraining, new_labels=new_labels, has_model=True, validation_losses=validation_losses
        )
        return Plan(decision.kind, decision.reason)
