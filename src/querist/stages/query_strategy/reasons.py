"""Why an item was asked, in words that annotators and stakeholders read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from querist.core.label_sets import LIKELY
from querist.core.types import Probabilities


def explain(
    proba: Probabilities | None, classes: Sequence[str], own: Sequence[str], *, several: bool = False
) -> list[str]:
    """A sentence for each pick: what the model thinks of it, (k, n_classes), and what the strategy adds, (k,) or none.

    "torn between neutral and negative, 0.41 to 0.39; stands for 212 similar items", or of `several` labels "unsure of
    sport, 0.44".
    """
    n_items = len(own) if proba is None else len(proba)
    of_model = _of_labels if several else _of_model
    model = [""] * n_items if proba is None else [of_model(row, classes) for row in proba]
    added = list(own) or [""] * n_items
    return ["; ".join(part for part in pair if part) for pair in zip(model, added, strict=True)]


def _of_model(row: Probabilities, classes: Sequence[str]) -> str:
    order = np.argsort(-row, kind="stable")
    first = order[0]
    if len(order) == 1:
        return f"the model knows {classes[first]} alone"
    second = order[1]
    if row[second] > row[first] / 2:
        return f"torn between {classes[first]} and {classes[second]}, {row[first]:.2f} to {row[second]:.2f}"
    return f"read as {classes[first]} with {row[first]:.2f}"


def _of_labels(row: Probabilities, classes: Sequence[str]) -> str:
    least_sure = int(np.abs(row - LIKELY).argmin())
    return f"unsure of {classes[least_sure]}, {row[least_sure]:.2f}"
