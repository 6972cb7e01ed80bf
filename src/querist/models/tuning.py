"""What training learns from labels it was not fitted on: hyper-parameters and calibration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from querist.core.losses import log_losses
from querist.core.types import Codes, Matrix, Probabilities
from querist.models.fitting import raw_proba, train
from querist.models.heads import Estimator

ENOUGH_VALIDATION = 50
LEAST_FOLDS, MOST_FOLDS = 3, 5
MANY_LABELS = 1000
"""From here on three folds do, for three fifths of the cost."""

Fresh = Callable[[Mapping[str, Any]], Estimator]
Source = Literal["validation", "cross-validation"]


class Labeled(NamedTuple):
    """X (n, n_features), y (n,) codes 0..n_classes-1 of the classes seen in training, weights (n,) or None."""

    X: Matrix
    y: Codes
    weights: NDArray[np.float64] | None = None


class Unseen(NamedTuple):
    """Probabilities of items that the model was not fitted on, with their codes, and where they come from."""

    proba: Probabilities
    y: Codes
    source: Source


def search(
    grid: Mapping[str, list[Any]], params: Mapping[str, Any], fresh: Fresh, training: Labeled, held: Labeled | None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The hyper-parameters with the lowest validation log loss, the first of equals, and all that were tried.

    Without validation labels nothing is tried and `params` stay.
    """
    if not grid or held is None:
        return dict(params), []
    tried: list[dict[str, Any]] = []
    for values in product(*grid.values()):
        candidate = {**params, **dict(zip(grid, values, strict=True))}
        estimator = train(fresh(candidate), *training)
        loss = float(log_losses(held.y, raw_proba(estimator, held.X, n_classes(training))).mean())
        tried.append({"params": candidate, "log_loss": loss})
    best = min(tried, key=lambda attempt: float(attempt["log_loss"]))
    return dict(best["params"]), tried


def unseen_probabilities(
    where: Literal["auto", "validation", "cross-validation"],
    estimator: Estimator,
    fresh: Callable[[], Estimator],
    training: Labeled,
    held: Labeled | None,
    *,
    seed: int,
) -> Unseen | str:
    """Probabilities to calibrate on, or a sentence saying why there are none.

    auto: the validation labels where there are at least 50 of two classes or more, else cross-validation.
    """
    n_held = 0 if held is None else len(held.y)
    two = held is not None and len(np.unique(held.y)) >= 2
    if held is not None and two and (where == "validation" or (where == "auto" and n_held >= ENOUGH_VALIDATION)):
        return Unseen(raw_proba(estimator, held.X, n_classes(training)), held.y, "validation")
    if where == "validation":
        return f"not calibrated: the validation split has {n_held} labels, and it takes two classes"
    rarest = int(np.bincount(training.y).min())
    if rarest < LEAST_FOLDS:
        return f"not calibrated: the rarest class has {rarest} labels, and cross-validation takes {LEAST_FOLDS}"
    return Unseen(_out_of_fold(fresh, training, rarest, seed), training.y, "cross-validation")


def n_classes(training: Labeled) -> int:
    return int(training.y.max()) + 1


def _out_of_fold(fresh: Callable[[], Estimator], training: Labeled, rarest: int, seed: int) -> Probabilities:
    """(n, n_classes): each item by a model fitted on the other folds, which hold every class."""
    from sklearn.model_selection import StratifiedKFold

    X, y, weights = training
    folds = LEAST_FOLDS if len(y) >= MANY_LABELS else min(rarest, MOST_FOLDS)
    proba = np.empty((len(y), n_classes(training)))
    for rest, part in StratifiedKFold(folds, shuffle=True, random_state=seed).split(np.zeros(len(y)), y):
        estimator = train(fresh(), X[rest], y[rest], None if weights is None else weights[rest])
        proba[part] = raw_proba(estimator, X[part], proba.shape[1])
    return proba
