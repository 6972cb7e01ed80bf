"""k-means, for strategies and seed sets alike."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.models.threads import one_thread

EXACT_LIMIT = 4_000_000
"""Items x clusters above which mini-batch k-means takes over."""
PLUS_PLUS_LIMIT = 500
"""Clusters above which mini-batch k-means starts from random items, since k-means++ would take most of the time."""


def cluster_items(
    embeddings: NDArray[Any], n_clusters: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """(n,) cluster of each item and its distance to the centre; some clusters stay empty when points coincide.

    One thread: with more, sums differ in the last bit from run to run and the same seed would not give the same items.
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    many = len(embeddings) * n_clusters > EXACT_LIMIT
    # In float64 scikit-learn need not convert the points again for each centre it draws.
    points = np.ascontiguousarray(embeddings, dtype=np.float32 if many else np.float64)
    seed = int(rng.integers(2**31))
    if many:
        init = "k-means++" if n_clusters <= PLUS_PLUS_LIMIT else "random"
        batch_size = max(1024, n_clusters)
        model = MiniBatchKMeans(n_clusters, n_init=1, random_state=seed, batch_size=batch_size, init=init)
    else:
        model = KMeans(n_clusters, n_init=1, random_state=seed, max_iter=50)
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct points than clusters is fine here
        cluster = model.fit_predict(points)
    difference = points - model.cluster_centers_[cluster]
    return cluster.astype(np.intp), np.sqrt(np.einsum("ij,ij->i", difference, difference, dtype=np.float64))
