"""Whether more labels still pay, beside goal and budget: advice with its reason, acted on where the settings say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from querist.core.types import Codes
from querist.stages.evaluation.metrics import cohen_kappa

Which = Literal["flat", "stable", "uninformative"]

WINDOW = 5
"""Rounds over which a curve counts as flat."""
SAME = 0.99
PAIRS = 3
"""Kappa that models in a row must reach, and how often; both as in Bloodgood and Vijay-Shanker, 2009."""
SURE = 0.9
UNSURE_SHARE = 0.05
SURE_ROUNDS = 2


@dataclass(frozen=True)
class Advice:
    which: Which
    stop: bool
    reason: str


def flat(labels: ArrayLike, values: ArrayLike, precision: float | None, *, confidence: float = 0.95) -> Advice:
    """Whether the curve has stopped rising: over the last five rounds its gain is not told from none by their scatter
    and is at most half of what the holdout can tell, or at most a tenth.

    `values` (n_rounds,) are higher-is-better, `precision` is the half width of the newest one's interval. The gain is
    that of a straight line with Student's interval.
    """
    from scipy.special import stdtrit

    x, y = np.asarray(labels, dtype=float), np.asarray(values, dtype=float)
    if len(y) < WINDOW or precision is None or len(np.unique(x[-WINDOW:])) < WINDOW:
        return Advice("flat", False, f"not told before {WINDOW} rounds have been measured with their interval")
    line, of_line = np.polyfit(x[-WINDOW:], y[-WINDOW:], 1, cov=True)
    span = float(x[-1] - x[-WINDOW])
    gain = float(line[0]) * span
    half = float(stdtrit(WINDOW - 2, (1 + confidence) / 2)) * float(np.sqrt(of_line[0, 0])) * span
    most = gain + half
    stop = bool(most < precision / 10 or (gain - half <= 0 and most < precision / 2))
    said = f"the last {WINDOW} rounds gained {gain:+.4f} ({gain - half:+.4f} to {gain + half:+.4f})"
    return Advice("flat", stop, f"{said}; the holdout tells differences of {precision:.4f}")


def same_predictions(first: Codes, second: Codes, n_classes: int) -> float:
    """Cohen's kappa of two models' predicted classes (n_items,) of the same items; 1 where all are the same."""
    if np.array_equal(first, second):
        return 1.0
    cells = np.bincount(first * n_classes + second, minlength=n_classes * n_classes)
    return float(cohen_kappa(cells.reshape(n_classes, n_classes)))


def stable(kappas: Sequence[float]) -> Advice:
    """Whether models in a row predict the same; `kappas` are of each model with the next, oldest first."""
    last = list(kappas)[-PAIRS:]
    if len(last) < PAIRS:
        return Advice("stable", False, f"not told before {PAIRS + 1} models have predicted the same holdout")
    said = ", ".join(f"{kappa:.3f}" for kappa in last)
    return Advice(
        "stable", min(last) >= SAME, f"models in a row agree on the holdout with kappa {said}; the threshold is {SAME}"
    )


def uninformative(confidences: Sequence[NDArray[np.float64]]) -> Advice:
    """Whether the model is sure of nearly all that the strategy asks: the largest probabilities (n_asked,) by round."""
    last = [asked for asked in confidences if len(asked)][-SURE_ROUNDS:]
    if len(last) < SURE_ROUNDS:
        return Advice("uninformative", False, f"not told before {SURE_ROUNDS} rounds were asked by a model")
    shares = [float((asked < SURE).mean()) for asked in last]
    said = " and ".join(f"{share:.0%}" for share in shares)
    reason = f"the model was less than {SURE:.0%} sure of {said} of the items asked in the last {SURE_ROUNDS} rounds"
    return Advice("uninformative", max(shares) <= UNSURE_SHARE, reason)
