"""Heads: unfitted scikit-learn estimators with defaults that suit few labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from querist import plugins
from querist.core.errors import SettingError, UnknownName

Estimator = Any
"""A scikit-learn classifier; the library is not imported on start."""


def logistic() -> Estimator:
    """Multinomial logistic regression; C = 10 since features come in rows of unit length."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=10.0, max_iter=1000)


def svm() -> Estimator:
    """Linear support vector machine; its probabilities come from its decision values and the calibration."""
    from sklearn.svm import LinearSVC

    return LinearSVC(C=1.0, max_iter=5000)


def boosting() -> Estimator:
    """Histogram gradient boosting; with the library's own 20 items a leaf, 30 labels could not be split at all."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(learning_rate=0.05, min_samples_leaf=10)


def forest() -> Estimator:
    """Random forest."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_estimators=200)


def naive_bayes() -> Estimator:
    """Multinomial naive Bayes, lightly smoothed since TF-IDF counts are small."""
    from sklearn.naive_bayes import MultinomialNB

    return MultinomialNB(alpha=0.1)


def make_estimator(name: str, params: Mapping[str, Any], *, seed: int) -> Estimator:
    """The unfitted estimator of a head or import path, seeded where it draws random numbers.

    Raises UnknownName on a hyper-parameter that the estimator does not have, listing those it has.
    """
    factory = plugins.find("heads", name)
    try:
        estimator = factory()
    except TypeError as error:
        raise SettingError(
            f"learner {name!r} cannot be made without arguments ({error}); name a function that makes it"
        ) from error
    if not (hasattr(estimator, "get_params") and hasattr(estimator, "fit")):
        raise SettingError(f"learner {name!r} is no scikit-learn estimator: it has no get_params and fit")
    known = estimator.get_params()
    for param in params:
        if param not in known:
            raise UnknownName(f"hyper-parameter of {name!r}", param, known)
    seeded = {"random_state": seed} if "random_state" in known else {}
    return estimator.set_params(**{**seeded, **params})
