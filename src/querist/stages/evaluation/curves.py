"""What a person looks at beside the metrics: is it as sure as it is right, what can it decide alone, what it mixes up.

Everything is JSON-ready.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from querist.core.proportion import wilson
from querist.core.types import Codes, Probabilities
from querist.stages.evaluation.calibration import BINS, bin_starts
from querist.stages.evaluation.metrics import check_truth, confusion_matrix

POINTS = 50


def reliability(
    y: Codes, proba: Probabilities, *, bins: int = BINS, confidence: float = 0.95
) -> list[dict[str, float | int]]:
    """The bins behind the expected calibration error, surest last: between `low` and `high`, the mean `confidence` and
    the `accuracy` of `n` items with Wilson's interval."""
    y, proba = check_truth(y, proba, proba.shape[1])
    sure, hits = _by_confidence(y, proba)
    starts = bin_starts(sure, bins)
    n = np.diff(starts, append=len(sure))
    accuracy = np.add.reduceat(hits, starts) / n
    least, most = wilson(accuracy, n, confidence=confidence)
    columns = {
        "low": sure[starts],
        "high": sure[starts + n - 1],
        "confidence": np.add.reduceat(sure, starts) / n,
        "accuracy": accuracy,
        "accuracy_low": least,
        "accuracy_high": most,
        "n": n,
    }
    return _rows(columns)


def coverage(
    y: Codes, proba: Probabilities, *, points: int = POINTS, confidence: float = 0.95
) -> list[dict[str, float | int]]:
    """How right the surest predictions are: if all of at least `threshold` were accepted without a person, a share
    `coverage` of items would be, with this `accuracy` (Wilson's interval).

    At most so many points, evenly spread, most sure first; items of one confidence are accepted together.
    El-Yaniv and Wiener, 2010. The intervals are of one point each, not of the threshold that looks best.
    """
    y, proba = check_truth(y, proba, proba.shape[1])
    sure, hits = _by_confidence(y, proba)
    sure, right = sure[::-1], np.cumsum(hits[::-1])
    ends = np.flatnonzero(np.append(sure[1:] != sure[:-1], True))  # where all items of one confidence are in
    wanted = np.arange(1, points + 1) * len(y) / points - 1
    ends = np.unique(ends[np.searchsorted(ends, wanted)])
    n = ends + 1
    accuracy = right[ends] / n
    low, high = wilson(accuracy, n, confidence=confidence)
    columns = {"coverage": n / len(y), "accuracy": accuracy, "low": low, "high": high, "threshold": sure[ends]}
    return _rows(columns)


def confusion(y: Codes, proba: Probabilities, classes: Sequence[str]) -> dict[str, list[Any]]:
    """`counts` of items: a row for each true class, a column for each predicted one, in the order of `classes`."""
    y, proba = check_truth(y, proba, len(classes))
    return {"classes": list(classes), "counts": confusion_matrix(y, proba).tolist()}


def _by_confidence(y: Codes, proba: Probabilities) -> tuple[Any, Any]:
    """(n,) probability of the predicted class, ascending, and whether the prediction is right."""
    sure = proba.max(axis=1)
    order = np.argsort(sure, kind="stable")
    return sure[order].astype(np.float64), (proba.argmax(axis=1) == y)[order].astype(np.int64)


def _rows(columns: dict[str, Any]) -> list[dict[str, float | int]]:
    """One dictionary for each place in the arrays."""
    return [
        dict(zip(columns, values, strict=True))
        for values in zip(*(column.tolist() for column in columns.values()), strict=True)
    ]
