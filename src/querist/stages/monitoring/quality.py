"""Quality without labels: what calibrated confidences promise, and how far the promise was off once labels came."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from querist.core.proportion import wilson
from querist.core.types import Probabilities

NORMAL_95 = 1.96


@dataclass(frozen=True)
class Estimate:
    """An accuracy nobody has measured; its interval holds only where the confidences are calibrated on such items."""

    accuracy: float
    low: float
    high: float
    macro_f1: float
    n: int


@dataclass(frozen=True)
class Checked:
    """An estimate beside what labels say: `n` items of which a share of `accuracy` was right, 95 % `low` to `high`."""

    estimated: float
    accuracy: float
    low: float
    high: float
    n: int
    sentence: str


def expected_confusion(proba: Probabilities) -> NDArray[np.float64]:
    """(n_classes, n_classes) items expected by true class and predicted class, if the probabilities are calibrated."""
    predicted = np.eye(proba.shape[1])[proba.argmax(axis=1)]
    return np.asarray(proba.T.astype(np.float64) @ predicted)


def estimate(proba: Probabilities) -> Estimate:
    """Confidence-based performance estimation: each prediction is right with its own confidence.

    Guerra et al., 2018; Bialek et al., 2024. Drift that moves the classes' meaning is invisible to it. O(n n_classes).
    """
    confidence, n = proba.max(axis=1).astype(np.float64), len(proba)
    accuracy = float(confidence.mean())
    half = NORMAL_95 * sqrt(float((confidence * (1 - confidence)).sum())) / n
    table = expected_confusion(proba)
    both = table.sum(axis=0) + table.sum(axis=1)
    f1 = np.divide(2 * np.diag(table), both, out=np.zeros(len(table)), where=both > 0)
    return Estimate(accuracy, max(accuracy - half, 0.0), min(accuracy + half, 1.0), float(f1.mean()), n)


def check(estimated: float, right: int, n: int) -> Checked:
    """An estimate against labels: of `n` items drawn at random the model had `right` ones before they were labeled."""
    low, high = (float(bound[0]) for bound in wilson(np.array([right / n]), np.array([n]), confidence=0.95))
    said = "agrees with"
    if not low <= estimated <= high:
        said = "was above" if estimated > high else "was below"
    sentence = (
        f"the estimate of {estimated:.3f} {said} what labels say: {right} of {n} right, {right / n:.3f} "
        f"({low:.3f} to {high:.3f})"
    )
    return Checked(estimated, right / n, low, high, n, sentence)
