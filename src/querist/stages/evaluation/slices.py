"""Quality where it may hide: the metric on each part of the holdout, and which parts differ from the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from querist.core.checks import blocks
from querist.core.types import Codes, Probabilities
from querist.stages.evaluation.intervals import Groups, bootstrap, resampled
from querist.stages.evaluation.metrics import (
    OF_ITEMS,
    Confusion,
    Floats,
    confusion_matrix,
    measure,
    of_confusion,
)
from querist.stages.evaluation.significance import holm

LEAST_ITEMS = 20
MOST_VALUES = 30
OTHERS = "(others)"
EMPTY = "(empty)"
RESAMPLES = 300
"""Fewer than behind the metrics, for there are many slices."""
DRAWS = (200, 3_800)
"""Random parts behind a p-value: some first, more where few of them differ as much. With all of them the smallest is
0.00025, which Holm's correction for 200 slices leaves significant."""
HELD = 4_000_000
"""Numbers held at once, 32 MB."""
ENOUGH = 0.1
"""A p-value that more draws would not make significant."""


def slices(
    name: str,
    y: Codes,
    proba: Probabilities,
    classes: Sequence[str],
    columns: Mapping[str, Sequence[str | None]],
    *,
    confidence: float,
    rng: np.random.Generator,
    groups: Groups | None = None,
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """The metric `name` for each value of each column (n_items values), and the columns left out with the reason.

    Values of fewer than 20 items count together as "(others)". A column with more than 30 values, or with nothing to
    compare, is left out. `p` is the chance that a part of this size drawn at random differs as much from the rest;
    `different` where it stands Holm's correction over all slices. Bounds are NaN where nothing can be said.
    """
    parts, left_out = [], []
    for column, values in columns.items():
        found = _parts(values)
        if isinstance(found, str):
            left_out.append({"column": column, "reason": found})
        else:
            parts += [(column, value, members) for value, members in found.items()]
    spread = _spread(name, y, proba, classes, rng, groups) if parts else 0.0
    rows: list[dict[str, Any]] = []
    for column, value, members in parts:
        own = None if groups is None else np.unique(groups[members], return_inverse=True)[1]
        at, low, high = bootstrap(
            name,
            y[members],
            proba[members],
            classes,
            confidence=confidence,
            resamples=RESAMPLES,
            rng=rng,
            groups=own,
        )
        p = _chance(name, y, proba, classes, members, spread, rng)
        row = {"column": column, "value": value, "n": int(members.sum()), "metric": name}
        rows.append({**row, "metric_value": at, "low": low, "high": high, "p": p})
    known = [row for row in rows if row["p"] is not None]
    for row, p in zip(known, holm([row["p"] for row in known]), strict=True):
        row["p"] = p
    return [{**row, "different": row["p"] is not None and row["p"] < 1 - confidence} for row in rows], left_out


def _parts(values: Sequence[str | None]) -> dict[str, Any] | str:
    """(n,) members of each slice, the largest first and the others last; or why there is none."""
    named = np.array([EMPTY if value is None or value == "" else value for value in values], dtype=object)
    counts = Counter(named.tolist())
    large = [value for value, n in sorted(counts.items(), key=lambda c: (-c[1], c[0])) if n >= LEAST_ITEMS]
    if len(large) > MOST_VALUES:
        return f"{len(large)} values of {LEAST_ITEMS} items or more, {MOST_VALUES} at most are compared"
    found = {value: named == value for value in large}
    rest = ~np.logical_or.reduce(list(found.values())) if found else np.ones(len(named), dtype=bool)
    if rest.any():
        found[OTHERS] = rest
    if len(found) < 2:
        return f"fewer than two values of {LEAST_ITEMS} items or more"
    return found


def _spread(
    name: str,
    y: Codes,
    proba: Probabilities,
    classes: Sequence[str],
    rng: np.random.Generator,
    groups: Groups | None,
) -> float | None:
    """Standard deviation of the metric over an item of the holdout; None where parts can be drawn exactly instead."""
    if groups is None and name not in OF_ITEMS:
        return None
    values = resampled(name, y, proba, classes, resamples=RESAMPLES, rng=rng, groups=groups)
    return float(values.std() * np.sqrt(len(y)))


def _chance(
    name: str,
    y: Codes,
    proba: Probabilities,
    classes: Sequence[str],
    members: Any,
    spread: float | None,
    rng: np.random.Generator,
) -> float | None:
    """p-value of the difference between slice and rest, were the slice a random part; None where there is none to see.

    A metric of the confusion matrix is drawn anew for random parts of the same size, exactly: their cells follow the
    multivariate hypergeometric distribution (a permutation test). For the others, and for items in groups, the
    difference of two independent parts is taken as normal with the spread of the whole.
    """
    seen = measure(name, y[members], proba[members], classes) - measure(name, y[~members], proba[~members], classes)
    if np.isnan(seen):
        return None
    n = int(members.sum())
    if spread is not None:
        from scipy.special import ndtr

        deviation = spread * np.sqrt(1 / n + 1 / (len(y) - n))
        return float(2 * ndtr(-abs(seen) / deviation)) if deviation > 0 else None
    matrix, function = confusion_matrix(y, proba), of_confusion(name, classes)
    apart = np.empty(0)
    for draws in DRAWS:
        more = [_random_parts(matrix, n, b.stop - b.start, function, rng) for b in blocks(draws, HELD // matrix.size)]
        apart = np.concatenate([apart, *more])
        middle = apart.mean()  # not 0: macro F1 of a small part is lower than that of a large one
        # The part at hand is one of those that could have been drawn (Phipson and Smyth, 2010).
        p = (1 + (np.abs(apart - middle) >= abs(seen - middle) - 1e-12).sum()) / (1 + len(apart))
        if p > ENOUGH:
            break
    return float(p)


def _random_parts(
    matrix: Confusion, n: int, draws: int, function: Callable[[Confusion], Floats], rng: np.random.Generator
) -> Floats:
    """(draws,) difference between n items drawn from the matrix without replacement and those that remain."""
    filled = np.flatnonzero(matrix)
    drawn = np.zeros((draws, matrix.size), dtype=np.int64)
    drawn[:, filled] = rng.multivariate_hypergeometric(matrix.ravel()[filled], n, size=draws, method="marginals")
    part = drawn.reshape(draws, *matrix.shape)
    return function(part) - function(matrix - part)
