"""The gate: which trained model may answer for real, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Compared:
    """The objective's metric of a candidate and of what it would replace (`against`), on the same `n` holdout items.

    `gain` is by how much the candidate is better (negative: worse, whichever way the metric counts), `p` how often
    chance gives as large a difference; all are None where the two cannot be compared.
    """

    metric: str
    value: float | None
    before: float | None
    against: str
    n: int
    gain: float | None
    p: float | None


@dataclass(frozen=True)
class ClassChange:
    """What recall and F1 of a class with `n` holdout items gained over the served model."""

    label: str
    n: int
    recall: float
    f1: float


@dataclass(frozen=True)
class Criterion:
    name: str
    passed: bool
    reason: str


@dataclass(frozen=True)
class Decision:
    """`promote` only where every criterion has passed."""

    promote: bool
    criteria: tuple[Criterion, ...]


def decide(
    compared: Compared,
    changes: Sequence[ClassChange],
    *,
    ece: float | None,
    ece_limit: float | None,
    level: float,
    max_class_fall: float,
    tolerance: float,
) -> Decision:
    """Better beyond noise at this `level`, no class fell by more than `max_class_fall`, and calibration holds.

    Better is asked two-sided, so that of candidates that are as good as the served model `level` / 2 pass. `changes`
    are empty for a first model. Calibration holds where the error is tolerated, or no more than chance explains.
    """
    criteria = (
        _better(compared, level),
        _classes(changes, max_class_fall),
        _calibrated(ece, ece_limit, tolerance),
    )
    return Decision(all(criterion.passed for criterion in criteria), criteria)


def _better(found: Compared, level: float) -> Criterion:
    if found.gain is None or found.p is None or found.value is None or found.before is None:
        reason = f"it cannot be compared with {found.against}: {found.n:,} items of the holdout are labeled for both"
        return Criterion("better", False, f"{reason}; label more of it")
    said = (
        f"{found.metric} {found.value:.3f} against {found.before:.3f} of {found.against} on {found.n:,} items "
        f"(p = {found.p:.2g})"
    )
    if found.gain <= 0:
        return Criterion("better", False, f"no better: {said}")
    if found.p >= level:
        return Criterion("better", False, f"no better beyond noise: {said}")
    return Criterion("better", True, f"better beyond noise: {said}")


def _classes(changes: Sequence[ClassChange], most: float) -> Criterion:
    if not changes:
        return Criterion("classes", True, "no model is served whose classes could fall")
    name, gain, worst = min(
        ((name, getattr(change, name), change) for change in changes for name in ("recall", "f1")),
        key=lambda found: found[1],
    )
    word = "F1" if name == "f1" else name
    said = f"{word} of {worst.label!r} by {max(-gain, 0):.3f} ({worst.n:,} items; {most:g} is tolerated)"
    if -gain > most + 1e-12:
        return Criterion("classes", False, f"a class fell too far: {said}")
    return Criterion("classes", True, f"the largest fall is {said}" if gain < 0 else "no class fell")


def _calibrated(ece: float | None, limit: float | None, tolerance: float) -> Criterion:
    if ece is None or limit is None:
        return Criterion("calibration", False, "its calibration error is not on record; evaluate it first")
    said = f"its calibration error is {ece:.3f} (tolerated {tolerance:.3f}, chance explains up to {limit:.3f})"
    if ece <= max(limit, tolerance):
        return Criterion("calibration", True, said)
    return Criterion("calibration", False, f"badly calibrated: {said}; try learner.calibration")
