"""Fitting a scikit-learn estimator and asking it for probabilities, whatever its habits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import SettingError
from querist.core.types import Codes, Matrix, Probabilities
from querist.models.calibration import softmax
from querist.models.heads import Estimator
from querist.models.threads import one_thread

DENSE_LIMIT_BYTES = 4 * 2**30
DENSE_BLOCK_BYTES = 256 * 2**20
MANY_ROWS = 20_000
"""From here on several threads make a prediction faster."""


def train(estimator: Estimator, X: Matrix, y: Codes, weights: NDArray[np.float64] | None) -> Estimator:
    """The estimator, fitted. Raises SettingError when it cannot take weights, sparse features or its own settings."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.utils.validation import has_fit_parameter

    name = type(estimator).__name__
    extra = {}
    if weights is not None:
        if not has_fit_parameter(estimator, "sample_weight"):
            raise SettingError(f"{name} takes no weights; unset learner.class_weight or choose another learner")
        extra["sample_weight"] = weights
    if not _reads_sparse(estimator):
        X = _dense(X, name)
    with _explained(name), one_thread():
        if isinstance(estimator, LogisticRegression) and not isinstance(X, np.ndarray):
            return _fit_where_used(estimator, X, y, **extra)
        return estimator.fit(X, y, **extra)


def raw_proba(estimator: Estimator, X: Matrix, n_classes: int) -> Probabilities:
    """(n_items, n_classes) float64; estimators without probabilities give the softmax of their decision values."""
    with _explained(type(estimator).__name__), one_thread(only="blas" if X.shape[0] >= MANY_ROWS else None):
        parts = [_probabilities(estimator, part) for part in readable(estimator, X)]
    return np.concatenate(parts) if parts else np.empty((0, n_classes))


def warm_up(estimator: Estimator, old: Estimator) -> bool:
    """Starts a linear estimator from an older one's weights; False where it has none or cannot."""
    if "warm_start" not in estimator.get_params() or not hasattr(old, "coef_"):
        return False
    estimator.set_params(warm_start=True)
    estimator.coef_, estimator.intercept_ = old.coef_.copy(), np.copy(old.intercept_)
    return True


def _fit_where_used(estimator: Estimator, X: Matrix, y: Codes, **extra: NDArray[np.float64]) -> Estimator:
    """Fits on the columns that hold anything; the weights of all others are zero anyway, since only the penalty
    would move them."""
    used = np.flatnonzero(np.bincount(X.indices, minlength=X.shape[1]))
    if len(used) == 0:
        return estimator.fit(X, y, **extra)
    if hasattr(estimator, "coef_"):
        estimator.coef_ = estimator.coef_[:, used]
    estimator.fit(X[:, used], y, **extra)
    weights = np.zeros((estimator.coef_.shape[0], X.shape[1]), dtype=estimator.coef_.dtype)
    weights[:, used] = estimator.coef_
    estimator.coef_, estimator.n_features_in_ = weights, X.shape[1]
    return estimator


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """scikit-learn says with a bare ValueError that an estimator and its data do not go together."""
    try:
        yield
    except ValueError as error:
        raise SettingError(f"{name} cannot work here: {error}. Check learner.params or choose another") from error


def _probabilities(estimator: Estimator, X: Matrix) -> Probabilities:
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(X), dtype=np.float64)
    if not hasattr(estimator, "decision_function"):
        raise SettingError(
            f"{type(estimator).__name__} gives neither probabilities nor decision values; choose another"
        )
    z = np.asarray(estimator.decision_function(X), dtype=np.float64)
    if z.ndim == 1:
        z = np.stack([np.zeros_like(z), z], axis=1)
    return softmax(z)


def readable(estimator: Estimator, X: Matrix) -> Iterator[Matrix]:
    """X as it is, or in dense blocks of bounded size for estimators that read no sparse matrix."""
    if X.shape[0] == 0:
        return
    if isinstance(X, np.ndarray) or _reads_sparse(estimator):
        yield X
        return
    step = max(DENSE_BLOCK_BYTES // (X.shape[1] * X.dtype.itemsize), 1)
    for start in range(0, X.shape[0], step):
        yield X[start : start + step].toarray()


def _reads_sparse(estimator: Estimator) -> bool:
    from sklearn.utils import get_tags

    return hasattr(estimator, "__sklearn_tags__") and bool(get_tags(estimator).input_tags.sparse)


def _dense(X: Matrix, name: str) -> Matrix:
    if isinstance(X, np.ndarray):
        return X
    size = X.shape[0] * X.shape[1] * X.dtype.itemsize
    if size > DENSE_LIMIT_BYTES:
        raise SettingError(
            f"{name} reads no sparse features, and {X.shape[0]} x {X.shape[1]} of them would fill "
            f"{size / 2**30:.0f} GB; choose a linear learner or an encoder with fewer features"
        )
    return X.toarray()
