"""Words and characters by TF-IDF: the default for text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import DataError, SettingError
from querist.core.protocols import Items
from querist.core.types import Matrix
from querist.models.encoders.make import ngram_range, whole_number
from querist.models.encoders.sample import sample

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import CountVectorizer

ANALYZERS = {"words": "word", "chars": "char_wb"}


@dataclass(frozen=True)
class Part:
    name: str
    counter: CountVectorizer
    idf: NDArray[np.float32]

    def transform(self, texts: Iterable[str]) -> Matrix:
        return weigh(self.counter.transform(texts), self.idf)


class Tfidf:
    """Word n-grams and character n-grams within words, sublinear TF-IDF; each part has unit length before they are
    joined with equal weight: (n_items, n_terms) float32 CSR.

    The vocabulary is that of `fit_sample` items: terms found in `min_df` of them, the `max_features` most frequent of
    each part. `words` and `chars` are [shortest, longest]; an empty list leaves the part out.
    """

    VERSION: ClassVar[int] = 1
    kind: ClassVar[str] = "text"

    def __init__(
        self,
        *,
        words: Any = (1, 2),  # Any: checked here, since settings files know no tuples
        chars: Any = (3, 5),
        fit_sample: int = 20_000,
        max_features: int = 100_000,
        min_df: int = 2,
    ) -> None:
        ranges = {"words": ngram_range("words", words), "chars": ngram_range("chars", chars)}
        self._ranges = {name: value for name, value in ranges.items() if value}
        if not self._ranges:
            raise SettingError("words and chars are both off; give at least one of them, such as words = [1, 2]")
        self._fit_sample = whole_number("fit_sample", fit_sample, least=1)
        self._max_features = whole_number("max_features", max_features, least=1)
        self._min_df = whole_number("min_df", min_df, least=1)
        self._parts: list[Part] = []

    def fit(self, blocks: Iterable[Items], *, rng: np.random.Generator) -> Self:
        texts = sample(blocks, self._fit_sample, rng).get("text", [])
        parts = (self._fit_part(name, texts) for name in self._ranges)
        self._parts = [part for part in parts if part is not None]
        if not self._parts:
            raise DataError(
                f"no term occurs in {self._min_df} of {len(texts)} texts; lower learner.encoder_params.min_df "
                "or add data"
            )
        return self

    def transform(self, items: Items) -> Matrix:
        import scipy.sparse as sp

        weight = np.float32(len(self._parts) ** -0.5)
        return sp.hstack([part.transform(items["text"]) * weight for part in self._parts], format="csr")

    def state(self) -> dict[str, NDArray[Any]]:
        state: dict[str, NDArray[Any]] = {}
        for part in self._parts:
            terms = "\n".join(part.counter.get_feature_names_out())
            state[f"{part.name}.terms"] = np.frombuffer(terms.encode("utf-8", "surrogatepass"), dtype=np.uint8)
            state[f"{part.name}.idf"] = part.idf
        return state

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        self._parts = []
        for name in self._ranges:
            if f"{name}.terms" in state:
                terms = state[f"{name}.terms"].tobytes().decode("utf-8", "surrogatepass").split("\n")
                counter = self._counter(name, vocabulary={term: i for i, term in enumerate(terms)})
                self._parts.append(Part(name, counter, state[f"{name}.idf"]))
        return self

    def _fit_part(self, name: str, texts: list[str]) -> Part | None:
        min_df = min(self._min_df, max(len(texts), 1))
        counter = self._counter(name, min_df=min_df, max_features=self._max_features)
        try:
            counts = counter.fit_transform(texts)
        except ValueError:  # scikit-learn's way of saying that no term is left
            return None
        found_in = np.bincount(counts.indices, minlength=counts.shape[1])
        idf = np.log((1 + len(texts)) / (1 + found_in)) + 1
        return Part(name, counter, idf.astype(np.float32))

    def _counter(self, name: str, **settings: Any) -> CountVectorizer:  # Any: passed through to scikit-learn
        from sklearn.feature_extraction.text import CountVectorizer

        return CountVectorizer(analyzer=ANALYZERS[name], ngram_range=self._ranges[name], dtype=np.float32, **settings)


def weigh(counts: Matrix, idf: NDArray[np.float32] | None = None) -> Matrix:
    """CSR counts -> (1 + log count) * idf in rows of unit length, in place."""
    from sklearn.preprocessing import normalize

    if counts.shape[0] == 0:
        return counts
    np.log(counts.data, out=counts.data)
    counts.data += 1
    if idf is not None:
        counts.data *= idf[counts.indices]
    return normalize(counts, copy=False)
