"""scikit-activeml's strategies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def query(strategy: str, *, model: str | None = None, **settings: Any) -> Callable[[Any], Callable[[], Any]]:
    """`model` is the name under which the strategy takes one, not to be fitted again."""

    def prepare(data: Any) -> Callable[[], Any]:
        from skactiveml import pool
        from skactiveml.classifier import SklearnClassifier
        from sklearn.base import BaseEstimator, ClassifierMixin
        from synthetic import Head

        class Fixed(Head, ClassifierMixin, BaseEstimator):
            pass

        made = getattr(pool, strategy)(random_state=0, **settings)
        y = np.r_[np.full(len(data.pool), np.nan), data.y]
        asked: dict[str, Any] = {}
        if model:
            classifier = SklearnClassifier(Fixed(data), classes=list(range(data.n_classes)))
            asked = {model: classifier.fit(data.labeled, data.y), f"fit_{model}": False}
        return lambda: made.query(data.everything, y, batch_size=data.batch_size, **asked)

    return prepare


QUERIES = {
    "entropy": query("UncertaintySampling", model="clf", method="entropy"),
    "margin": query("UncertaintySampling", model="clf", method="margin_sampling"),
    "least_confidence": query("UncertaintySampling", model="clf", method="least_confident"),
    "kmeans_pool:Clue": query("Clue", model="estimator"),
    "core_set": query("CoreSet"),
    "badge": query("Badge", model="clf"),
    "typiclust": query("TypiClust"),
    "prob_cover": query("ProbCover"),
}
