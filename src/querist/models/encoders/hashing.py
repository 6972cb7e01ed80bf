"""Hashed n-grams: no vocabulary, nothing to fit, for pools too large to look through twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import SettingError
from querist.core.protocols import Items
from querist.core.types import Matrix
from querist.models.encoders.make import ngram_range, whole_number
from querist.models.encoders.tfidf import ANALYZERS, weigh


class Hashing:
    """Word n-grams (and character n-grams, if asked) hashed to `n_features` columns each, sublinear counts in rows of
    unit length: float32 CSR. About 10 microseconds per short text. Weinberger et al., 2009."""

    VERSION: ClassVar[int] = 1
    kind: ClassVar[str] = "text"

    def __init__(self, *, words: Any = (1, 2), chars: Any = None, n_features: int = 2**18) -> None:  # Any: checked here
        ranges = {"words": ngram_range("words", words), "chars": ngram_range("chars", chars)}
        self._ranges = {name: value for name, value in ranges.items() if value}
        if not self._ranges:
            raise SettingError("words and chars are both off; give at least one of them, such as words = [1, 2]")
        self._n_features = whole_number("n_features", n_features, least=2)

    def fit(self, blocks: Iterable[Items], *, rng: np.random.Generator) -> Self:
        return self

    def transform(self, items: Items) -> Matrix:
        import scipy.sparse as sp

        weight = np.float32(len(self._ranges) ** -0.5)
        parts = [weigh(self._count(name, items["text"])) * weight for name in self._ranges]
        return sp.hstack(parts, format="csr") if len(parts) > 1 else parts[0]

    def state(self) -> dict[str, NDArray[Any]]:
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        return self

    def _count(self, name: str, texts: Sequence[str]) -> Matrix:
        from scipy.sparse import csr_matrix
        from sklearn.feature_extraction.text import HashingVectorizer

        if len(texts) == 0:
            return csr_matrix((0, self._n_features), dtype=np.float32)
        # Signs would cancel collisions, but then naive Bayes could not use the counts.
        return HashingVectorizer(
            analyzer=ANALYZERS[name],
            ngram_range=self._ranges[name],
            n_features=self._n_features,
            alternate_sign=False,
            norm=None,
            dtype=np.float32,
        ).transform(texts)
