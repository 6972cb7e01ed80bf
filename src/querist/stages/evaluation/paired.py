"""Whether one model is better than another on the same items, for any metric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from querist.core.types import Probabilities, Targets
from querist.stages.evaluation import of_sets
from querist.stages.evaluation.intervals import Groups
from querist.stages.evaluation.metrics import (
    OF_ITEMS,
    Floats,
    check,
    check_truth,
    confusion_matrix,
    higher_is_better,
    measure,
    of_confusion,
)
from querist.stages.evaluation.significance import Tested

BLOCK_CELLS = 4_000_000
"""Cells of confusion matrices held at once, 32 MB."""
ROUNDING = 1e-12


def swapped(
    name: str,
    y: Targets,
    proba: Probabilities,
    other: Probabilities,
    classes: Sequence[str],
    *,
    resamples: int,
    rng: np.random.Generator,
    groups: Groups | None = None,
) -> Tested:
    """Test that two models are equally good by a metric: how often as large a difference comes about when, item by
    item (group by group), chance decides which prediction is whose. Noreen, 1989; Yeh, 2000.

    `statistic` is how much better `proba` (n, n_classes) is than `other`, negative where it is worse, NaN where the
    metric is undefined. Of accuracy it is McNemar's exact test, but for its random draws. A bootstrap of the difference
    is too sure where few predictions differ: of four that got right and none that got wrong its interval says better,
    which chance gives one time in eight.
    """
    check(name, classes, several=np.ndim(y) == 2)
    y, proba = check_truth(y, proba, len(classes))
    _, other = check_truth(y, other, len(classes))
    sign = 1.0 if higher_is_better(name) else -1.0
    found = sign * (measure(name, y, proba, classes) - measure(name, y, other, classes))
    of = np.arange(len(y)) if groups is None else groups
    pairs = int(of.max()) + 1
    assumes = "the items, or their groups, are independent draws, and both models were fixed before they saw any"
    if np.isnan(found):
        return Tested("randomization test", found, 1.0, pairs, assumes)
    draw = _of_items if name in OF_ITEMS else _of_sets if y.ndim == 2 else _of_confusions
    chance = np.concatenate([sign * d for d in draw(name, y, proba, other, classes, of, resamples, rng)])
    as_large = int((np.abs(chance) >= abs(found) - ROUNDING).sum())
    return Tested("randomization test", found, (as_large + 1) / (resamples + 1), pairs, assumes)


def _of_confusions(
    name: str,
    y: Targets,
    proba: Probabilities,
    other: Probabilities,
    classes: Sequence[str],
    of: NDArray[np.integer],
    resamples: int,
    rng: np.random.Generator,
) -> Iterator[Floats]:
    """Differences in blocks. Items that both predict alike are the same cell whosever they are, so only the others
    are drawn."""
    from scipy.sparse import csr_array

    n_classes, function = len(classes), of_confusion(name, classes)
    mine, theirs = confusion_matrix(y, proba).ravel(), confusion_matrix(y, other).ravel()
    apart = np.flatnonzero(proba.argmax(axis=1) != other.argmax(axis=1))
    names, at = np.unique(of[apart], return_inverse=True)
    cells = [y[apart] * n_classes + p[apart].argmax(axis=1) for p in (proba, other)]
    ones, shape = np.ones(len(apart)), (len(names), n_classes**2)
    moves = csr_array((ones, (at, cells[1])), shape=shape) - csr_array((ones, (at, cells[0])), shape=shape)
    for size in _blocks(resamples, n_classes**2 + len(names)):
        moved = rng.integers(2, size=(size, len(names))).astype(np.float64) @ moves
        first, second = (m.reshape(-1, n_classes, n_classes) for m in (mine + moved, theirs - moved))
        yield function(first) - function(second)


def _of_sets(
    name: str,
    y: Targets,
    proba: Probabilities,
    other: Probabilities,
    classes: Sequence[str],
    of: NDArray[np.integer],
    resamples: int,
    rng: np.random.Generator,
) -> Iterator[Floats]:
    """Differences in blocks, of metrics that are sums over items."""
    from scipy.sparse import csr_array

    mine, theirs = (of_sets.sums(name, y, p, classes) for p in (proba, other))
    moves = csr_array((np.ones(len(of)), (of, np.arange(len(of))))) @ (theirs.added - mine.added)
    for size in _blocks(resamples, sum(moves.shape)):
        moved = rng.integers(2, size=(size, len(moves))).astype(np.float64) @ moves
        yield mine.metric(mine.added.sum(axis=0) + moved) - mine.metric(theirs.added.sum(axis=0) - moved)


def _of_items(
    name: str,
    y: Targets,
    proba: Probabilities,
    other: Probabilities,
    classes: Sequence[str],
    of: NDArray[np.integer],
    resamples: int,
    rng: np.random.Generator,
) -> Iterator[Floats]:
    function, every = OF_ITEMS[name], np.ones(len(y))
    for _ in range(resamples):
        swap = rng.integers(2, size=int(of.max()) + 1)[of].astype(bool)[:, None]
        first, second = np.where(swap, other, proba), np.where(swap, proba, other)
        yield np.atleast_1d(function(y, first, every) - function(y, second, every))


def _blocks(resamples: int, width: int) -> Iterator[int]:
    rows = max(1, BLOCK_CELLS // width)
    return (min(rows, resamples - start) for start in range(0, resamples, rows))
