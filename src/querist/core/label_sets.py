"""Several labels for one item: a set of classes as one string, as names, and as a row of a bool matrix.

A set is stored as one string wherever a label is: its names, sorted, with the separator between them. The order is that
of the alphabet, not of the classes, so that a class that comes later changes no string.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import DataError, SettingError, UnknownName
from querist.core.types import Codes, Probabilities, Scores, Targets

EMPTY = "(none)"
"""The set without a class: somebody looked, and no label fits. A skip is no label at all."""
LONGEST = 100_000
"""So many characters at most has the string of a set."""
LIKELY = 0.5
"""A label with a probability above this is predicted."""

SHOWN = 80
"""Characters of a wrong cell that an error shows."""

Members = NDArray[np.bool_]
"""(n_items, n_classes) which classes each item has."""


@dataclass(frozen=True)
class LabelSets:
    """How sets of classes are written: with `separator`, one sign that no class name holds."""

    separator: str

    def names(self, text: str) -> tuple[str, ...]:
        """The names of a set as a cell of a table has it, sorted: "b; a", "(none)", or a JSON list of texts.

        Raises DataError for a cell that is no set, such as one of separators alone: nobody said that no label fits.
        """
        if (found := self.read(text)) is None:
            raise DataError(
                f"{text[:SHOWN]!r} names no label; write names with {self.separator!r} between, or {EMPTY} where no "
                "label fits"
            )
        return found

    def read(self, text: str) -> tuple[str, ...] | None:
        """As `names`; None for a cell that is no set."""
        if text.startswith("["):
            with suppress(ValueError, RecursionError):
                found = json.loads(text)
                return _sorted(found) if all(isinstance(name, str) and name.strip() for name in found) else None
        return () if text.strip() == EMPTY else _sorted(text.split(self.separator)) or None

    def join(self, names: Iterable[str]) -> str:
        """The one string of a set, in whatever order its names come."""
        return self.separator.join(_sorted(names)) or EMPTY

    def canonical(self, text: str, classes: Sequence[str]) -> str:
        """The one string of a set. Raises UnknownName for a name that is none of the classes."""
        names = self.names(text)
        if strange := [name for name in names if name not in classes]:
            raise UnknownName("label", strange[0], classes)
        return self.join(names)

    def members(self, sets: Sequence[str], classes: Sequence[str]) -> Members:
        """(len(sets), n_classes) which classes each has. Raises UnknownName."""
        column = {name: at for at, name in enumerate(classes)}
        found = np.zeros((len(sets), len(classes)), dtype=bool)
        for row, text in enumerate(sets):
            for name in self.names(text):
                if name not in column:
                    raise UnknownName("label", name, classes)
                found[row, column[name]] = True
        return found

    def strings(self, members: Members, classes: Sequence[str]) -> list[str]:
        """The string of each row."""
        return [self.join(classes[c] for c in np.flatnonzero(row).tolist()) for row in members]

    def check(self, classes: Sequence[str]) -> None:
        """Raises SettingError for a class whose name cannot be told from a set or from its ends, and for classes that
        are too long together."""
        if (length := len(self.separator.join(classes))) > LONGEST:
            raise SettingError(
                f"the {len(classes)} classes have {length} characters together, and an item that has them all may have "
                f"{LONGEST}; shorten their names with data.label_map"
            )
        for name in classes:
            if self.separator in name:
                raise SettingError(
                    f"class {name!r} holds the separator {self.separator!r}; rename it with data.label_map, or set "
                    "data.label_separator to a sign that no class holds"
                )
            if name == EMPTY or name.startswith("[") or not name or name != name.strip():
                raise SettingError(
                    f"class {name!r} cannot be told from a set of classes: no name may be {EMPTY!r} (the item without "
                    "a label), begin with '[' or have spaces around it; rename it with data.label_map"
                )


def label_of(prediction: Mapping[str, float], sets: LabelSets | None) -> str:
    """The label that probabilities by class come to: the likeliest, or the set of those that are likelier than not."""
    if sets is None:
        return max(prediction, key=prediction.__getitem__)
    return sets.join(name for name, p in prediction.items() if p > LIKELY)


def confidence_of(prediction: Mapping[str, float], sets: LabelSets | None) -> float:
    """How sure a model is of `label_of`; of a set, of the label that it is least sure about."""
    return max(prediction.values()) if sets is None else min(max(p, 1 - p) for p in prediction.values())


def predicted(proba: Probabilities) -> Members:
    """(n_items, n_classes) the labels that are likelier than not."""
    likely: Members = proba > LIKELY
    return likely


def surest(proba: Probabilities) -> Scores:
    """(n_items,) the confidence of each predicted set: of the label that the model is least sure about, 0.5 to 1."""
    found: Scores = np.maximum(proba, 1 - proba).min(axis=1)
    return found


def class_counts(targets: Targets, n_classes: int) -> Codes:
    """(n_classes,) how many items have each class, of one class each or of several."""
    found: Codes = targets.sum(axis=0) if targets.ndim == 2 else np.bincount(targets, minlength=n_classes)
    return found.astype(np.int64)


def rarest(members: Members) -> Codes:
    """(n_items,) of each item's classes the one that the fewest items have; n_classes where it has none."""
    n_classes = members.shape[1]
    often = np.where(members, members.sum(axis=0), len(members) + 1)
    found: Codes = np.where(members.any(axis=1), often.argmin(axis=1), n_classes).astype(np.int64)
    return found


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({name.strip() for name in names} - {""}))
