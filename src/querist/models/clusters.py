"""k-means, for strategies and seed sets alike."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.checks import blocks
from querist.models.neighbours import READ_ROWS, Embed, nearest_point
from querist.models.threads import one_thread

EXACT_LIMIT = 4_000_000
"""Items x clusters above which mini-batch k-means takes over."""
PLUS_PLUS_LIMIT = 500
"""Clusters above which mini-batch k-means starts from random items, since k-means++ would take most of the time."""

ROWS_PER_CLUSTER = 64
"""Sampled items behind each centre; with more, centres hardly move and fitting takes most of the time."""
LEAST_ROWS = 4096


def cluster_items(
    embeddings: NDArray[Any],
    n_clusters: int,
    rng: np.random.Generator,
    *,
    weights: NDArray[np.floating[Any]] | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """(n,) cluster of each item and its distance to the centre; some clusters stay empty when points coincide.

    Items with a higher weight (n,) draw the centres nearer. k-means; Lloyd, 1982.
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
        cluster = model.fit_predict(points, sample_weight=weights)
    squared = np.empty(len(points))
    for block in blocks(len(points), READ_ROWS):
        difference = points[block] - model.cluster_centers_[cluster[block]]
        np.einsum("ij,ij->i", difference, difference, dtype=np.float64, out=squared[block])
    return cluster.astype(np.intp), np.sqrt(squared)


def cluster_all(
    embed: Embed,
    n_items: int,
    n_clusters: int,
    rng: np.random.Generator,
    *,
    weights: NDArray[np.floating[Any]] | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """As `cluster_items`, for any number of items: centres from a sample, then each item to its nearest."""
    sample = np.sort(rng.choice(n_items, min(n_items, max(n_clusters * ROWS_PER_CLUSTER, LEAST_ROWS)), replace=False))
    rows = embed(sample)
    cluster, _ = cluster_items(rows, n_clusters, rng, weights=None if weights is None else weights[sample])
    which, squared = nearest_point(embed, n_items, means(rows, cluster))
    return which, np.sqrt(squared, dtype=np.float64)


def means(rows: NDArray[np.float32], cluster: NDArray[np.intp]) -> NDArray[np.float32]:
    """(n_clusters, n_dims) centres of the clusters that hold any of the rows, without twins."""
    from scipy.sparse import csr_matrix

    _, place, sizes = np.unique(cluster, return_inverse=True, return_counts=True)
    shares = (1 / sizes[place]).astype(np.float32)
    members = csr_matrix((shares, (place, np.arange(len(rows)))), (len(sizes), len(rows)))
    centres: NDArray[np.float32] = np.unique(members @ rows, axis=0)
    return centres
