"""When the model is trained again, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from querist.config.loop import RetrainingSettings


@dataclass(frozen=True)
class Decision:
    """`kind`: a full training, a warm one (from the last model's weights, where the learner can) or none."""

    kind: Literal["full", "warm", "none"]
    reason: str


def decide(
    settings: RetrainingSettings,
    *,
    new_labels: int,
    has_model: bool,
    validation_losses: Sequence[float],
    days: float = 0.0,
) -> Decision:
    """Whether to train now, given the labels and days since the last training and the validation loss of each model, in
    order.

    `warm_start` turns the trainings after "batch", "labels" and "schedule" into warm ones. "plateau" updates warm each
    batch, and trains in full when the loss has not fallen by `min_improvement` (relative) within `patience` models.
    """
    if not has_model:
        return Decision("full", "there is no model yet")
    if new_labels <= 0:
        return Decision("none", "no new labels since the last training")
    usual: Literal["full", "warm"] = "warm" if settings.warm_start else "full"
    if settings.when == "batch":
        return Decision(usual, f"after each batch ({new_labels} new labels)")
    if settings.when == "labels":
        if new_labels < settings.min_labels:
            return Decision("none", f"{new_labels} new labels of the {settings.min_labels} that trigger training")
        return Decision(usual, f"{new_labels} new labels, {settings.min_labels} trigger training")
    if settings.when == "schedule":
        said = f"{days:.1f} days since the last training, every {settings.every_days:g} are scheduled"
        return Decision(usual if days >= settings.every_days else "none", said)
    return _plateau(settings, validation_losses)


def _plateau(settings: RetrainingSettings, losses: Sequence[float]) -> Decision:
    if not losses:
        return Decision("full", "no validation loss to watch; label validation items for warm updates")
    before, recent = losses[: -settings.patience], losses[-settings.patience :]
    if not before:
        return Decision("warm", f"{len(losses)} of {settings.patience + 1} validation losses needed to see a plateau")
    best_before, best_recent = min(before), min(recent)
    fall = (best_before - best_recent) / best_before if best_before > 0 else 0.0
    said = f"validation loss {best_before:.4g} -> {best_recent:.4g} in {settings.patience} models ({fall:+.2%} better)"
    if fall < settings.min_improvement:
        return Decision("full", f"plateau: {said}, at least {settings.min_improvement:.2%} counts")
    return Decision("warm", f"still improving: {said}")
