"""One synthetic pool for every strategy and every library: unit rows in 60 clusters and a fixed softmax head."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

N_DIMS = 384
N_CLUSTERS = 60
N_LABELED = 4_000
BATCH_SIZE = 300
N_OPINIONS = 20
SHARPNESS = 3.0
"""Standard deviation of the head's logits: with ten classes the mean entropy is about 1.1 nats."""


@dataclass(frozen=True)
class Data:
    """`everything` (n_pool + n_labeled, n_dims) float32: the pool, then the labeled items, whose codes are `y`.

    The head gives softmax(rows @ `weights`), weights (n_dims, n_classes), so that nobody trains.
    """

    everything: NDArray[np.float32]
    y: NDArray[np.int64]
    weights: NDArray[np.float32]
    batch_size: int = BATCH_SIZE

    @property
    def pool(self) -> NDArray[np.float32]:
        return self.everything[: -len(self.y)]

    @property
    def labeled(self) -> NDArray[np.float32]:
        return self.everything[-len(self.y) :]

    @property
    def n_classes(self) -> int:
        return self.weights.shape[1]

    def predict(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        """(n, n_classes)"""
        return softmax(rows @ self.weights)

    def opinions(self) -> NDArray[np.float32]:
        """(20, n_pool, n_classes) of heads that differ a little."""
        rng = np.random.default_rng(1)
        noise = rng.normal(0, 1, (N_OPINIONS, *self.weights.shape)).astype(np.float32)
        return np.stack([softmax(self.pool @ (self.weights + one)) for one in noise])

    def small(self) -> Data:
        """A few items, for a first call that imports and starts what is needed."""
        return Data(np.concatenate([self.pool[:400], self.labeled[:100]]), self.y[:100], self.weights, 20)


class Head:
    """The head with the face of a fitted scikit-learn classifier; `fit` leaves it as it is."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.classes_ = np.arange(data.n_classes)

    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> Head:
        return self

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float32]:
        return self.data.predict(X)

    def predict(self, X: NDArray[Any]) -> NDArray[np.intp]:
        return self.predict_proba(X).argmax(axis=1)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits


def load(n_pool: int, n_classes: int) -> Data:
    """The same for the same sizes; rows are kept on disk for the runs to come (1.6 kB an item)."""
    path = cache("data") / f"pool-{n_pool}.npy"
    if not path.exists():
        part = path.with_name(f"{path.stem}-{os.getpid()}.npy")
        np.save(part, _rows(n_pool))
        part.rename(path)
    everything = np.load(path)
    rng = np.random.default_rng([0, n_classes])
    weights = (SHARPNESS * rng.normal(size=(N_DIMS, n_classes))).astype(np.float32)
    proba = softmax(everything[-N_LABELED:] @ weights)
    y = (proba.cumsum(axis=1) < rng.random((N_LABELED, 1))).sum(axis=1).clip(max=n_classes - 1)
    return Data(everything, y, weights)


def cache(name: str = "") -> Path:
    """A folder outside the checkout: $XDG_CACHE_HOME/querist-bench or ~/.cache/querist-bench."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "querist-bench" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _rows(n_pool: int) -> NDArray[np.float32]:
    """Clusters of unequal weight and spread around random unit centres."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(N_CLUSTERS, N_DIMS)).astype(np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    weight, spread = rng.dirichlet(np.ones(N_CLUSTERS)), rng.uniform(0.5, 1.5, N_CLUSTERS).astype(np.float32)
    cluster = rng.choice(N_CLUSTERS, n_pool + N_LABELED, p=weight)
    rows = rng.standard_normal((len(cluster), N_DIMS), dtype=np.float32)
    rows *= spread[cluster, None] / np.float32(np.sqrt(N_DIMS))
    rows += centres[cluster]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows
