"""Whether the strategy asks for some classes far more, or far less, than they occur."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.floating[Any] | np.integer[Any]]

TIMES = 2.0
"""How many times its share a class is asked before it is worth a word."""
CHANCE = 0.05
NAMED = 5


def far_off(
    asked: Counts, known: Counts, items: tuple[int, int] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(n_classes,) times its share of the `known` that each class is asked, and whether that is far off: TIMES or more
    (or as much less), and beyond chance by Fisher's exact test (1922), corrected for the number of classes.

    Both are counts (n_classes,), of so many `items` where these may have several classes. NaN where a class is in
    neither.
    """
    asked, known = np.rint(asked), np.rint(known)
    n, m = items or (asked.sum(), known.sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        times: NDArray[np.float64] = (asked / n) / (known / m)
    far: NDArray[np.bool_] = np.zeros(len(asked), dtype=np.bool_)
    for c in np.flatnonzero((times >= TIMES) | (times <= 1 / TIMES)):
        from scipy.stats import fisher_exact  # only here, for it takes half a second to import

        table = np.array([[asked[c], n - asked[c]], [known[c], m - known[c]]], dtype=np.int64)
        far[c] = fisher_exact(table).pvalue < CHANCE / len(asked)
    return times, far


def skew(
    classes: Sequence[str], asked: Counts, known: Counts, *, of: str, items: tuple[int, int] | None = None
) -> list[str]:
    """A sentence on the classes that are asked far more than they are `of` something, and one on those far less."""
    if asked.sum() == 0 or known.sum() == 0:
        return []
    times, far = far_off(asked, known, items)
    n, m = items or (asked.sum(), known.sum())

    def listed(codes: NDArray[np.intp]) -> str:
        shown = [f"{classes[c]} {asked[c] / n:.0%} of the queries, {known[c] / m:.0%} of {of}" for c in codes[:NAMED]]
        return "; ".join(shown) + (f"; and {len(codes) - NAMED} more" if len(codes) > NAMED else "")

    more, less = np.flatnonzero(far & (times > 1)), np.flatnonzero(far & (times < 1))
    said = []
    if len(more):
        said.append(
            f"asked far more than its share: {listed(more[np.argsort(-times[more], kind='stable')])}. That is fine "
            "where the model finds these hard: the labels go where they teach. It then believes them to be more "
            "frequent than they are, which calibration on validation labels mends"
        )
    if len(less):
        said.append(
            f"asked far less than its share: {listed(less[np.argsort(times[less], kind='stable')])}. That is fine "
            'where the model knows these already; their recall tells. Where it does not, query.strategy = "stratified" '
            'or learner.class_weight = "balanced" gives them more room'
        )
    return said
