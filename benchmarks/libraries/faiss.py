"""faiss' k-means alone: on the candidates, and with one cluster for each query on the whole pool."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

ITERATIONS = 20
PLAIN = runpy.run_path(str(Path(__file__).with_name("plain.py")))


def cluster(rows: NDArray[Any], n_clusters: int) -> Callable[[], Any]:
    import faiss

    def call() -> NDArray[Any]:
        made = faiss.Kmeans(rows.shape[1], n_clusters, niter=ITERATIONS, seed=1, max_points_per_centroid=10**9)
        made.train(rows)
        return made.index.search(rows, 1)[1][:, 0]

    return call


QUERIES = {
    "kmeans:clustering alone": lambda data: cluster(
        PLAIN["candidates"](data), max(2, data.batch_size // PLAIN["QUERIES_PER_CLUSTER"])
    ),
    "kmeans_pool:clustering alone": lambda data: cluster(data.pool, data.batch_size),
}
