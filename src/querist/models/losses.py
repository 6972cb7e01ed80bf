"""The loss after each iteration of training, from estimators that can tell."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from querist.core.losses import log_losses
from querist.core.types import Codes, Matrix
from querist.models.fitting import readable
from querist.models.heads import Estimator
from querist.models.threads import one_thread
from querist.models.tuning import Labeled

DIGITS = 6


def loss_curves(estimator: Estimator, training: Labeled, held: Labeled | None) -> dict[str, list[float]]:
    """{"train": losses, "validation": losses}, each with one number for each iteration, as far as they are known.

    Boosting gives the log loss of its probabilities after each tree, before calibration and without weights; a neural
    network what it minimised on the training labels. A learner that is solved in one go has no curve: {}.
    """
    if hasattr(estimator, "staged_predict_proba"):
        sets = {"train": training, "validation": held}
        return {name: staged_losses(estimator, rows.X, rows.y) for name, rows in sets.items() if rows is not None}
    if hasattr(estimator, "loss_curve_"):
        return {"train": _rounded(estimator.loss_curve_)}
    return {}


def staged_losses(estimator: Estimator, X: Matrix, y: Codes) -> list[float]:
    """The log loss after each tree, of items X (n, n_features) with codes y (n,) of the classes it was fitted on."""
    total: NDArray[np.float64] | float = 0.0
    start = 0
    with one_thread():
        for part in readable(estimator, X):
            own = y[start : start + part.shape[0]]
            total = total + np.array([log_losses(own, p).sum() for p in estimator.staged_predict_proba(part)])
            start += part.shape[0]
    return _rounded(np.atleast_1d(total) / len(y))


def _rounded(losses: Iterable[float]) -> list[float]:
    return [round(float(loss), DIGITS) for loss in losses]
