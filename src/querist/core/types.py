"""Arrays by their meaning, and the two values that pass between the loop and a strategy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from querist.core.memory import Memory

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
Targets: TypeAlias = NDArray[Any]
"""(n_items,) Codes; or (n_items, n_classes) bool, which classes each item has, where it may have several."""
Matrix: TypeAlias = Any
"""(n_items, n_features): a numpy array or a scipy CSR matrix (scipy is not imported on this floor)."""


GIB = 1 << 30


@dataclass(frozen=True)
class Pool:
    """What a strategy may look at: `n_items` unlabeled items, addressed 0..n_items-1.

    Of the items: `scores` are the measures' (n_items,), `proba` the model's (n_items, n_classes), `embed(at)` gives
    (len(at), n_dims) float32 for some indices or a slice, so that a strategy pays only for what it looks at, `costs`
    (n_items,) what an answer costs, `samples()` several opinions (n_samples, n_items, n_classes), `previous_proba` what
    the model before thought, (n_items, n_classes), NaN where it was not asked; None in the first round.
    Of the labeled items, in one order: `labeled_embeddings` (n_labeled, n_dims), `labeled_codes` (n_labeled,) and
    `labeled_proba` (n_labeled, n_classes), the model's.
    Of the model: `classifier` has predict_proba, predict and classes_, `X()` gives the pool's features (n_items,
    n_features), `labeled` what it was trained on, `train(X, y)` a fresh one of its kind fitted to other labels.

    `ids` and `labeled_ids` number the items for good, in the numbering and embedding space named `space`; with them a
    strategy may keep what it learned in `memory` for the next round. `memory_bytes` is what it may use beyond its
    inputs. `budget_left` counts the labels that can still be asked (None: no limit). With `several` an item may have
    several labels: each class has a probability of its own in 0..1, and rows of `proba` do not sum to 1.
    """

    n_items: int
    proba: Probabilities | None = None
    scores: Scores | None = None
    embed: Callable[[Indices | slice], Embeddings] | None = None
    costs: Scores | None = None
    samples: Callable[[], Probabilities] | None = None
    previous_proba: Probabilities | None = None
    labeled_embeddings: Embeddings | None = None
    labeled_codes: Codes | None = None
    labeled_proba: Probabilities | None = None
    classifier: Any | None = None  # Any: a scikit-learn estimator, which this floor does not import
    X: Callable[[], Matrix] | None = None
    labeled: tuple[Matrix, Codes] | None = None
    train: Callable[[Matrix, Codes], Any] | None = None  # Any: as `classifier`
    classes: tuple[str, ...] = ()
    ids: Indices | None = None
    labeled_ids: Indices | None = None
    space: str | None = None
    memory: Memory = field(default_factory=Memory)
    memory_bytes: int = GIB
    budget_left: int | None = None
    several: bool = False

    def scores_at(self, indices: Indices) -> Scores:
        """(k,) scores of some items; zeros where the pool holds none, since then no item comes before another."""
        return np.zeros(len(indices)) if self.scores is None else self.scores[indices]


@dataclass(frozen=True)
class Selection:
    """A strategy's answer: `indices` (k,) best first, their `scores` (k,), the thresholds it used, and why.

    `note` speaks of the batch; `reasons`, if any, of each pick ("stands for 212 similar items").
    """

    indices: Indices
    scores: Scores
    thresholds: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    reasons: Sequence[str] = ()
