"""Arrays by their meaning, and the two values that pass between the loop and a strategy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Probabilities: TypeAlias = NDArray[np.floating[Any]]
"""(n_items, n_classes), rows sum to 1; or (n_samples, n_items, n_classes) for Bayesian measures."""
Scores: TypeAlias = NDArray[np.floating[Any]]
"""(n_items,), higher means ask first."""
Indices: TypeAlias = NDArray[np.intp]
"""(k,), best first."""
Embeddings: TypeAlias = NDArray[np.float32]
"""(n_items, n_dims)."""
Codes: TypeAlias = NDArray[np.int64]
"""(n_items,), class numbers 0..n_classes-1; -1 where unknown."""
Matrix: TypeAlias = Any
"""(n_items, n_features): a numpy array or a scipy CSR matrix (scipy is not imported on this floor)."""


@dataclass(frozen=True)
class Pool:
    """What a strategy may look at: `n_items` unlabeled items, addressed 0..n_items-1.

    `scores` are the measures' (n_items,), `proba` the model's (n_items, n_classes); `embed(indices)` gives
    (len(indices), n_dims) float32 for a part of the pool, so that a strategy pays only for its candidates.
    `budget_left` counts the labels that can still be asked (None: no limit). `classifier` is the current model with
    predict_proba, predict and classes_, `X()` gives the pool's features (n_items, n_features) and `labeled` what the
    model was trained on; strategies made for other libraries need these three.
    """

    n_items: int
    proba: Probabilities | None = None
    scores: Scores | None = None
    embed: Callable[[Indices], Embeddings] | None = None
    labeled_embeddings: Embeddings | None = None
    budget_left: int | None = None
    classifier: Any | None = None  # Any: a scikit-learn estimator, which this floor does not import
    X: Callable[[], Matrix] | None = None
    labeled: tuple[Matrix, Codes] | None = None

    def scores_at(self, indices: Indices) -> Scores:
        """(k,) scores of some items; zeros where the pool holds none, since then no item comes before another."""
        return np.zeros(len(indices)) if self.scores is None else self.scores[indices]


@dataclass(frozen=True)
class Selection:
    """A strategy's answer: `indices` (k,) best first, their `scores` (k,), the thresholds it used, and why."""

    indices: Indices
    scores: Scores
    thresholds: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
