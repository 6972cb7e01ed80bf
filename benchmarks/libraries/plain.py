"""What plain numpy and scikit-learn need for the same answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

CANDIDATES_PER_QUERY = 20
QUERIES_PER_CLUSTER = 6


def top(scores: NDArray[Any], k: int) -> NDArray[np.intp]:
    best = np.argpartition(-scores, k)[:k]
    return best[np.argsort(-scores[best])]


def entropy_of(proba: NDArray[Any]) -> NDArray[Any]:
    return -(proba * np.log(np.maximum(proba, 1e-12))).sum(axis=1)


def margin_of(proba: NDArray[Any]) -> NDArray[Any]:
    two = np.partition(proba, -2, axis=1)
    return 1 - (two[:, -1] - two[:, -2])


def least_confidence_of(proba: NDArray[Any]) -> NDArray[Any]:
    return 1 - proba.max(axis=1)


def by(measure: Callable[[Any], Any]) -> Callable[[Any], Callable[[], Any]]:
    return lambda data: lambda: top(measure(data.predict(data.pool)), data.batch_size)


def entropy_given(data: Any) -> Callable[[], Any]:
    proba = data.predict(data.pool)
    return lambda: top(entropy_of(proba), data.batch_size)


def candidates(data: Any) -> NDArray[np.float32]:
    """As many of the smallest margins as querist clusters."""
    scores = margin_of(data.predict(data.pool))
    return data.pool[top(scores, min(CANDIDATES_PER_QUERY * data.batch_size, len(scores) - 1))]


def kmeans(data: Any) -> Callable[[], Any]:
    """Scikit-learn's k-means alone on the candidates, on all cores."""
    from sklearn.cluster import KMeans

    rows = candidates(data)
    n_clusters = max(2, data.batch_size // QUERIES_PER_CLUSTER)

    def call() -> NDArray[Any]:
        return KMeans(n_clusters, n_init=1, max_iter=50, random_state=0).fit_predict(rows)

    return call


QUERIES = {
    "entropy": by(entropy_of),
    "margin": by(margin_of),
    "least_confidence": by(least_confidence_of),
    "entropy_given": entropy_given,
    "kmeans:clustering alone": kmeans,
}
