"""Whether a probability of 0.8 is right 8 times of 10, since uncertainty scores rest on it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.types import Codes, Probabilities

Groups = NDArray[np.integer[Any]]

BINS = 15
"""Bins of equal mass, as many as in Guo et al., 2017; fewer where there are fewer items."""
RESAMPLES = 500
DRAWN_AT_ONCE = 1 << 18
MANY_ITEMS = 2_000


def expected_calibration_error(y: Codes, proba: Probabilities, *, bins: int = BINS) -> float:
    """Mean |accuracy - confidence| over bins of equal mass by the predicted class's probability, 0..1.

    Naeini et al., 2015. Equal mass instead of equal width, since most confidences of a good model lie near 1 and
    would fill one bin only (Nixon et al., 2019).
    """
    order = np.argsort(proba.max(axis=1), kind="stable")
    confidence = proba.max(axis=1)[order].astype(np.float64)
    correct = (proba.argmax(axis=1) == y)[order]
    return float(_error(correct[None, :], confidence, bins)[0])


def brier(y: Codes, proba: Probabilities) -> float:
    """Mean squared distance of the probabilities from the truth, 0 (perfect) to 2. Brier, 1950."""
    squares = np.einsum("ij,ij->i", proba, proba, dtype=np.float64)
    return float((squares - 2 * proba[np.arange(len(y)), y] + 1).mean())


def ece_limit(
    proba: Probabilities,
    confidence: float,
    rng: np.random.Generator,
    *,
    bins: int = BINS,
    groups: Groups | None = None,
) -> float:
    """The calibration error that chance alone stays under with this `confidence`, at this number of items.

    Labels are redrawn from the probabilities, as if the model were perfectly calibrated: consistency resampling,
    Bröcker and Smith, 2007. Whether the prediction is right is all the error needs, so that is all that is drawn; of
    many items, the number of hits in each bin, by the central limit theorem. Items of a group (n,) have one draw
    between them, as if they were copies.
    """
    confidences = proba.max(axis=1)
    order = None if groups is None else np.argsort(confidences, kind="stable")
    sure = (np.sort(confidences) if order is None else confidences[order]).astype(np.float64)
    of = None if groups is None else np.unique(groups[order], return_inverse=True)[1]
    if of is None and len(sure) >= MANY_ITEMS:
        spread = np.sqrt(np.add.reduceat(sure * (1 - sure), bin_starts(sure, bins)))
        gaps = np.abs(rng.normal(scale=spread, size=(RESAMPLES, len(spread)))).sum(axis=1)
        return float(np.quantile(gaps, confidence)) / len(sure)
    # Drawn to 1/65536, far below any error that matters: such numbers come and compare four times as fast.
    below = np.minimum(np.rint(sure * 65536), 65535).astype(np.uint16)
    rows = max(DRAWN_AT_ONCE // len(sure), 1)
    errors, draws = [], len(sure) if of is None else int(of.max()) + 1
    for done in range(0, RESAMPLES, rows):
        drawn = rng.integers(65536, size=(min(rows, RESAMPLES - done), draws), dtype=np.uint16)
        errors.append(_error((drawn if of is None else drawn[:, of]) < below, sure, bins))
    return float(np.quantile(np.concatenate(errors), confidence))


def warning(ece: float, limit: float, tolerance: float) -> str | None:
    """A sentence when the calibration error is larger than tolerated and larger than chance explains."""
    if ece <= max(limit, tolerance):
        return None
    return (
        f"badly calibrated: the calibration error is {ece:.3f} (tolerated {tolerance:.3f}, chance explains up to "
        f"{limit:.3f}), so read uncertainty scores with care; try learner.calibration or more validation labels"
    )


def _error(correct: NDArray[np.bool_], confidence: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """(n_resamples,) error of (n_resamples, n) hits; confidence (n,) ascending."""
    starts = bin_starts(confidence, bins)
    gaps = np.add.reduceat(correct, starts, axis=1, dtype=np.int32) - np.add.reduceat(confidence, starts)
    error: NDArray[np.float64] = np.abs(gaps).sum(axis=1) / len(confidence)
    return error


def bin_starts(confidence: NDArray[np.float64], bins: int) -> NDArray[np.intp]:
    """Where the bins of equal size start, at places where the confidence (n,), ascending, changes: items of equal
    confidence lie in one bin, in whatever order they come.
    """
    n = len(confidence)
    return np.unique(np.searchsorted(confidence, confidence[np.arange(min(bins, n)) * n // min(bins, n)]))
