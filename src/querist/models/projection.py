"""Embeddings of items that need no label: features brought down to a few dense dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from querist.core.types import Embeddings, Matrix
from querist.models.threads import one_thread

FIT_ROWS = 10_000
N_DIMS = 64
DENSE_ENOUGH = 512
"""Dense features up to this width are embeddings already."""


@dataclass(frozen=True)
class Projection:
    """Features (n, n_features) -> rows of unit length (n, n_dims) float32.

    Sparse or wide features by truncated SVD (latent semantic analysis, Deerwester et al., 1990). Dense ones of at most
    512 columns stay as they are: encoders give them a scale that means something (unit vectors, pixels from 0 to 1,
    standardised columns), and standardising again would blow up columns that hardly vary.
    """

    components: NDArray[np.float32] | None

    @cached_property
    def _by_feature(self) -> NDArray[np.float32] | None:
        """(n_features, n_dims) in row order: a sparse product would copy it at every call otherwise."""
        return None if self.components is None else np.ascontiguousarray(self.components.T)

    @classmethod
    def fit(cls, X: Matrix, *, n_dims: int = N_DIMS, rng: np.random.Generator) -> Self:
        """Learns from rows of the pool; `FIT_ROWS` of them are plenty."""
        if isinstance(X, np.ndarray) and X.shape[1] <= DENSE_ENOUGH:
            return cls(None)
        n_dims = min(n_dims, *X.shape)
        if n_dims == X.shape[1]:
            return cls(np.eye(n_dims, dtype=np.float32))
        from sklearn.utils.extmath import randomized_svd

        with one_thread():
            _, _, components = randomized_svd(X, n_dims, n_iter=3, random_state=int(rng.integers(2**31)))
        return cls(np.asarray(components, dtype=np.float32))

    def __call__(self, X: Matrix) -> Embeddings:
        with one_thread(only="blas"):
            dense = X if self.components is None else X @ self._by_feature
        rows = np.asarray(dense, dtype=np.float32)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        unit: Embeddings = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
        return unit

    def state(self) -> dict[str, NDArray[Any]]:
        return {} if self.components is None else {"components": self.components}

    @classmethod
    def restore(cls, state: Mapping[str, NDArray[Any]]) -> Self:
        return cls(state.get("components"))
