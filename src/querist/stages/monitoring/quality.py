"""Quality without labels: what calibrated confidences promise, and how far the promise was off once labels came."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from querist.core.label_sets import predicted
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


def estimate(proba: Probabilities, *, several: bool = False) -> Estimate:
    """Confidence-based performance estimation: each prediction is right with its own confidence. Of `several` labels
    that is the chance that all of a set are right, were labels independent of each other.

    Guerra et al., 2018; Bialek et al., 2024. Drift that moves the classes' meaning is invisible to it. O(n n_classes).
    """
    proba = proba.astype(np.float64)
    confidence, n = np.maximum(proba, 1 - proba).prod(axis=1) if several else proba.max(axis=1), len(proba)
    accuracy = float(confidence.mean())
    half = NORMAL_95 * sqrt(float((confidence * (1 - confidence)).sum())) / n
    right, both = _expected_of_labels(proba) if several else _expected_of_classes(proba)
    f1 = np.divide(2 * right, both, out=np.zeros(len(both)), where=both > 0)
    return Estimate(accuracy, max(accuracy - half, 0.0), min(accuracy + half, 1.0), float(f1.mean()), n)


def _expected_of_classes(proba: Probabilities) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n_classes,) each: predictions of a class expected to be right, and predictions and true ones together."""
    table = expected_confusion(proba)
    return np.diag(table), table.sum(axis=0) + table.sum(axis=1)


def _expected_of_labels(proba: Probabilities) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    likely = predicted(proba)
    return (proba * likely).sum(axis=0), proba.sum(axis=0) + likely.sum(axis=0)


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
