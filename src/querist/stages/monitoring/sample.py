"""Items as a model saw them: what drift checks compare, whatever the items were."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.hashing import key64
from querist.core.types import Indices, Probabilities

WORD = re.compile(r"\w+")
SHOWN_CHARACTERS = 40
"""Of a categorical value."""

Column = NDArray[np.float64] | NDArray[np.str_]


@dataclass(frozen=True)
class Sample:
    """n items: `proba` (n, n_classes) of the model, `embeddings` (n, n_dims), and where they are known `lengths` (n,)
    in characters, `unseen` (n,) the share of an item's words that the reference lacks, and table `columns` (n,) each,
    numbers with NaN or words. Where items have `several` labels each column of `proba` is a question of its own.
    """

    proba: Probabilities
    embeddings: NDArray[np.floating[Any]]
    lengths: NDArray[np.float64] | None = None
    unseen: NDArray[np.float64] | None = None
    columns: Mapping[str, Column] = field(default_factory=dict)
    several: bool = False

    def __len__(self) -> int:
        return len(self.proba)

    def take(self, at: Indices | slice) -> Sample:
        return Sample(
            proba=self.proba[at],
            embeddings=self.embeddings[at],
            lengths=None if self.lengths is None else self.lengths[at],
            unseen=None if self.unseen is None else self.unseen[at],
            columns={name: values[at] for name, values in self.columns.items()},
            several=self.several,
        )

    def join(self, other: Sample) -> Sample:
        """The items of both, this one's first; both hold the same parts."""

        def both(mine: NDArray[Any] | None, theirs: NDArray[Any] | None) -> NDArray[Any] | None:
            return None if mine is None or theirs is None else np.concatenate([mine, theirs])

        return Sample(
            proba=np.concatenate([self.proba, other.proba]),
            embeddings=np.concatenate([self.embeddings, other.embeddings]),
            lengths=both(self.lengths, other.lengths),
            unseen=both(self.unseen, other.unseen),
            columns={name: np.concatenate([values, other.columns[name]]) for name, values in self.columns.items()},
            several=self.several,
        )


def words_of(texts: Iterable[str]) -> list[set[str]]:
    return [set(WORD.findall(text.lower())) for text in texts]


def vocabulary(texts: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.float64]]:
    """64-bit keys (n_words,) of all words, sorted, and (n,) the share of each text's words that no other text has."""
    found = words_of(texts)
    times: dict[str, int] = {}
    for words in found:
        for word in words:
            times[word] = times.get(word, 0) + 1
    alone = [np.mean([times[word] == 1 for word in words]) if words else 0.0 for words in found]
    return np.unique(_keys(times)), np.array(alone, dtype=np.float64)


def unseen_share(texts: Sequence[str], known: NDArray[np.uint64]) -> NDArray[np.float64]:
    """(n,) the share of each text's words that are not in the vocabulary."""
    found = [np.isin(_keys(words), known, invert=True).mean() if words else 0.0 for words in words_of(texts)]
    return np.array(found, dtype=np.float64)


def as_column(values: Sequence[float] | Sequence[str | None]) -> Column:
    if all(isinstance(value, float | int) for value in values):
        return np.array(values, dtype=np.float64)
    return np.array([("" if value is None else str(value))[:SHOWN_CHARACTERS] for value in values], dtype=np.str_)


def _keys(words: Iterable[str]) -> NDArray[np.uint64]:
    return np.array([key64(word.encode(errors="replace")) for word in words], dtype=np.uint64)
