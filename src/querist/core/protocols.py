"""What a part must be able to do to take its place in the loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from querist.core.types import Codes, Matrix, Pool, Probabilities, Selection

Items = Mapping[str, Sequence[Any]]
"""A block of items by column: {"text": [...]}, {"image": [bytes, ...]} or {"x.age": [...], "x.city": [...]}."""


class Strategy(Protocol):
    """Picks `batch_size` of the pool. `needs` names what the pool must hold: "scores", "proba", "embeddings",
    "samples", "previous_proba" (None in a first round), "labeled_embeddings", "labels" (codes of the labeled),
    "labeled_proba" (what the model thinks of the labeled), "model" (classifier, features and labeled items), "train" (a
    fresh model of the same kind), "costs" (what answers cost). Those it can do without, where nobody has them, may be
    named in `spares`, too.

    One that needs much memory says how much, as `bytes_needed(n_items, n_dims, n_classes, batch_size)` beyond its
    inputs; it is refused before it starts where the pool allows less.
    """

    needs: frozenset[str]

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection: ...


class Encoder(Protocol):
    """Turns items into features without ever seeing a label. `fit` sees pool items only."""

    def fit(self, blocks: Iterable[Items], *, rng: np.random.Generator) -> Self: ...
    def transform(self, items: Items) -> Matrix: ...
    def state(self) -> dict[str, NDArray[Any]]:
        """Arrays that `restore` needs, without pickled objects."""
        ...

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self: ...


class Learner(Protocol):
    """Features and class codes in, probabilities over all classes of the project out."""

    def fit(
        self,
        X: Matrix,
        y: Codes,
        *,
        sample_weight: NDArray[np.float64] | None = None,
        validation: tuple[Matrix, Codes] | None = None,
    ) -> Self: ...
    def predict_proba(self, X: Matrix) -> Probabilities: ...
