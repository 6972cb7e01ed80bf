"""Quality where it may hide: the metric on each part of the holdout, and which parts differ from the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.checks import blocks
from querist.core.types import Probabilities, Targets
from querist.stages.evaluation import of_sets
from querist.stages.evaluation.intervals import Groups, bootstrap, resampled
from querist.stages.evaluation.metrics import (
    MEANS,
    OF_ITEMS,
    Confusion,
    Floats,
    confusion_matrix,
    measure,
    of_confusion,
)
from querist.stages.evaluation.significance import holm

Members = NDArray[np.bool_]
"""(n_items,) which of the holdout's items are in a slice."""

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
AREAS = frozenset(OF_ITEMS) - frozenset(MEANS)
FEW = 10
"""Items of a class on each side, without which the difference of two areas under curves is far from normal."""
ENOUGH = 0.1
"""A p-value that more draws would not make significant."""


def slices(
    name: str,
    y: Targets,
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
        p = _chance(name, y, proba, classes, members, spread, rng, groups)
        row = {"column": column, "value": value, "n": int(members.sum()), "metric": name}
        rows.append({**row, "metric_value": at, "low": low, "high": high, "p": p})
    known = [row for row in rows if row["p"] is not None]
    for row, p in zip(known, holm([row["p"] for row in known]), strict=True):
        row["p"] = p
    return [{**row, "different": row["p"] is not None and row["p"] < 1 - confidence} for row in rows], left_out


def _parts(values: Sequence[str | None]) -> dict[str, Members] | str:
    """(n,) members of each slice, the largest first and the others last; or why there is none. Values that are written
    like the name of the others count among them."""
    named = np.array([EMPTY if value is None or value == "" else value for value in values], dtype=object)
    counts = Counter(named.tolist())
    large = [
        value
        for value, n in sorted(counts.items(), key=lambda c: (-c[1], c[0]))
        if n >= LEAST_ITEMS and value != OTHERS
    ]
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
    y: Targets,
    proba: Probabilities,
    classes: Sequence[str],
    rng: np.random.Generator,
    groups: Groups | None,
) -> float:
    """Standard deviation of an area under a curve over an item of the holdout; 0 for metrics that need none."""
    if name not in AREAS:
        return 0.0
    values = resampled(name, y, proba, classes, resamples=RESAMPLES, rng=rng, groups=groups)
    return float(values.std() * np.sqrt(len(y)))


def _chance(
    name: str,
    y: Targets,
    proba: Probabilities,
    classes: Sequence[str],
    members: Members,
    spread: float,
    rng: np.random.Generator,
    groups: Groups | None,
) -> float | None:
    """p-value of the difference between slice and rest, were the slice a random part; None where there is none to see.

    It is a permutation test: random parts of the same size are drawn. Of an area under a curve, which is slow to
    compute, the difference of two independent parts is taken as normal with the spread of the whole; of fewer than
    FEW items of a class it is not, and nothing is said.
    """
    seen = measure(name, y[members], proba[members], classes) - measure(name, y[~members], proba[~members], classes)
    if np.isnan(seen):
        return None
    n = int(members.sum())
    if name in AREAS:
        deviation = spread * np.sqrt(1 / n + 1 / (len(y) - n))
        if deviation == 0 or _fewest(y, members, groups) < FEW:
            return None
        from scipy.special import ndtr

        return float(2 * ndtr(-abs(seen) / deviation))
    draw: Callable[[int], Floats]
    if groups is None and name not in MEANS and y.ndim == 1:
        draw = partial(_random_cells, confusion_matrix(y, proba), n, of_confusion(name, classes), rng)
    else:
        of = np.arange(len(y)) if groups is None else groups
        k = _units(of, members)
        if k is None:
            return None
        draw = partial(_random_units, *_totals(name, y, proba, classes, of), k, rng)
    apart = np.empty(0)
    for draws in DRAWS:
        apart = np.concatenate([apart, draw(draws)])
        middle = apart.mean()  # not 0: macro F1 of a small part is lower than that of a large one
        # The part at hand is one of those that could have been drawn (Phipson and Smyth, 2010).
        p = (1 + (np.abs(apart - middle) >= abs(seen - middle) - 1e-12).sum()) / (1 + len(apart))
        if p > ENOUGH:
            break
    return float(p)


def _fewest(y: Targets, members: Members, groups: Groups | None) -> int:
    """Items, or groups, of the rarest class in the slice or in the rest."""
    of = np.arange(len(y)) if groups is None else groups
    parts = (members, ~members)
    sides = (
        [side for has in y.T for side in (has, ~has) if has.any()] if y.ndim == 2 else [y == c for c in np.unique(y)]
    )
    return min(len(np.unique(of[part & side])) for part in parts for side in sides)


def _units(of: Groups, members: Members) -> int | None:
    """How many groups a random part takes: those of the slice; where some lie on both sides, its share of all."""
    n_units, inside, outside = (len(np.unique(of[part])) for part in (members | True, members, ~members))
    k = int(np.clip(round(n_units * members.mean()), n_units - outside, inside))
    return k if 0 < k < n_units else None


def _totals(
    name: str, y: Targets, proba: Probabilities, classes: Sequence[str], of: Groups
) -> tuple[Any, Callable[[Floats], Floats]]:  # Any: scipy's sparse arrays have no types
    """(n_groups, n_sums) what each group adds, and the metric of (n_draws, n_sums) sums."""
    from scipy.sparse import csr_array

    n, n_classes, of = len(y), len(classes), np.unique(of, return_inverse=True)[1]
    if name in MEANS:
        added = np.stack([np.bincount(of, weights=MEANS[name](y, proba)), np.bincount(of)], axis=1)
        return added, lambda sums: sums[:, 0] / sums[:, 1]
    if y.ndim == 2:
        own, units = of_sets.sums(name, y, proba, classes), csr_array((np.ones(n), (of, np.arange(n))))
        return units @ own.added, own.metric
    function, cells = of_confusion(name, classes), y * n_classes + proba.argmax(axis=1)
    added = csr_array((np.ones(n), (of, cells)), shape=(int(of.max()) + 1, n_classes**2))
    return added, lambda sums: function(sums.reshape(-1, n_classes, n_classes))


def _random_units(
    added: Any, function: Callable[[Floats], Floats], k: int, rng: np.random.Generator, draws: int
) -> Floats:
    """(draws,) difference between k groups drawn without replacement and those that remain."""
    n_units, n_sums = added.shape
    total, found = np.asarray(added.sum(axis=0)).reshape(1, -1), []
    for block in blocks(draws, HELD // max(n_units, n_sums)):
        keys = rng.random((block.stop - block.start, n_units), dtype=np.float32)
        chosen = keys < np.partition(keys, k, axis=1)[:, k, None]
        part = chosen.astype(np.float64) @ added
        found.append(function(part) - function(total - part))
    return np.concatenate(found)


def _random_cells(
    matrix: Confusion, n: int, function: Callable[[Confusion], Floats], rng: np.random.Generator, draws: int
) -> Floats:
    """(draws,) difference between n items drawn from the matrix without replacement and those that remain: their cells
    follow the multivariate hypergeometric distribution."""
    filled, found = np.flatnonzero(matrix), []
    for block in blocks(draws, HELD // matrix.size):
        size = block.stop - block.start
        drawn = np.zeros((size, matrix.size), dtype=np.int64)
        drawn[:, filled] = rng.multivariate_hypergeometric(matrix.ravel()[filled], n, size=size, method="marginals")
        part = drawn.reshape(size, *matrix.shape)
        found.append(function(part) - function(matrix - part))
    return np.concatenate(found)
