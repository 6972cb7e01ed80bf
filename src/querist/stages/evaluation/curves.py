"""What a person looks at beside the metrics: is it as sure as it is right, what can it decide alone, what it mixes up.

Everything is JSON-ready.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.proportion import wilson
from querist.core.types import Codes, Probabilities
from querist.stages.evaluation.calibration import BINS, Groups, bin_starts
from querist.stages.evaluation.metrics import check_truth, confusion_matrix

POINTS = 50


def reliability(
    y: Codes,
    proba: Probabilities,
    *,
    bins: int = BINS,
    confidence: float = 0.95,
    groups: Groups | None = None,
) -> list[dict[str, float | int]]:
    """The bins behind the expected calibration error, surest last: between `low` and `high`, the mean `confidence` and
    the `accuracy` of `n` items with Wilson's interval; of items in `groups` (n,), as if a group's were copies."""
    y, proba = check_truth(y, proba, proba.shape[1])
    order, sure, hits = _by_confidence(y, proba)
    starts = bin_starts(sure, bins)
    n = np.diff(starts, append=len(sure))
    accuracy = np.add.reduceat(hits, starts) / n
    alone = n if groups is None else n**2 / _squares(groups[order], starts)
    least, most = wilson(accuracy, alone, confidence=confidence)
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
    y: Codes,
    proba: Probabilities,
    *,
    points: int = POINTS,
    confidence: float = 0.95,
    groups: Groups | None = None,
) -> list[dict[str, float | int]]:
    """How right the surest predictions are: if all of at least `threshold` were accepted without a person, a share
    `coverage` of items would be, with this `accuracy` (Wilson's interval, of `groups` as in `reliability`).

    At most so many points, evenly spread, most sure first; items of one confidence are accepted together.
    El-Yaniv and Wiener, 2010. The intervals are of one point each, not of the threshold that looks best.
    """
    y, proba = check_truth(y, proba, proba.shape[1])
    order, sure, hits = _by_confidence(y, proba)
    sure, right = sure[::-1], np.cumsum(hits[::-1])
    ends = np.flatnonzero(np.append(sure[1:] != sure[:-1], True))  # where all items of one confidence are in
    wanted = np.arange(1, points + 1) * len(y) / points - 1
    ends = np.unique(ends[np.searchsorted(ends, wanted)])
    n = ends + 1
    accuracy = right[ends] / n
    alone = n if groups is None else n**2 / np.cumsum(2 * _occurrence(groups[order][::-1]) + 1)[ends]
    low, high = wilson(accuracy, alone, confidence=confidence)
    columns = {"coverage": n / len(y), "accuracy": accuracy, "low": low, "high": high, "threshold": sure[ends]}
    return _rows(columns)


def confusion(y: Codes, proba: Probabilities, classes: Sequence[str]) -> dict[str, list[Any]]:
    """`counts` of items: a row for each true class, a column for each predicted one, in the order of `classes`."""
    y, proba = check_truth(y, proba, len(classes))
    return {"classes": list(classes), "counts": confusion_matrix(y, proba).tolist()}


def _by_confidence(y: Codes, proba: Probabilities) -> tuple[Any, Any, Any]:
    """(n,) places of the items by ascending probability of the predicted class, that, and whether it is right."""
    sure = proba.max(axis=1)
    order = np.argsort(sure, kind="stable")
    return order, sure[order].astype(np.float64), (proba.argmax(axis=1) == y)[order].astype(np.int64)


def _squares(groups: Groups, starts: NDArray[np.intp]) -> NDArray[np.float64]:
    """(n_bins,) sum of the squared sizes of the groups (n,) in each bin: n^2 over it is their effective number (Kish,
    1965)."""
    bin_of = np.zeros(len(groups), dtype=np.int64)
    bin_of[starts[1:]] = 1
    bin_of = np.cumsum(bin_of)
    pairs, sizes = np.unique(np.stack([bin_of, groups]), axis=1, return_counts=True)
    squares = np.zeros(len(starts))
    np.add.at(squares, pairs[0], sizes**2)
    return squares


def _occurrence(groups: Groups) -> NDArray[np.intp]:
    """(n,) how many items of its group come before each."""
    order = np.argsort(groups, kind="stable")
    ranked = groups[order]
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
    found = np.empty(len(groups), dtype=np.intp)
    found[order] = np.arange(len(groups)) - np.repeat(starts, np.diff(starts, append=len(groups)))
    return found


def _rows(columns: dict[str, Any]) -> list[dict[str, float | int]]:
    """One dictionary for each place in the arrays."""
    return [
        dict(zip(columns, values, strict=True))
        for values in zip(*(column.tolist() for column in columns.values()), strict=True)
    ]
