"""How unsure a model is of an item: (n_items, n_classes) probabilities -> (n_items,) scores, higher is less sure.

All are linear in the pool and hold one block of rows beyond their input and their answer.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from querist.core.checks import blocks
from querist.core.types import Probabilities, Scores

CELLS = 32_768
"""Numbers of a block, few enough to stay in the processor's cache with all that is made of them."""
COLUMN_ROWS = 4_096
"""Rows that are turned into columns at a time: enough for long columns, few enough for the cache."""
TINY = np.finfo(np.float64).tiny


def least_confidence(proba: Probabilities, /) -> Scores:
    """1 - P(first), from 0 (sure) to 1 - 1/n_classes (all equal). Lewis and Gale, 1994."""
    return _by_block(lambda part: 1 - _columns(part).max(axis=0).astype(np.float64), proba, rows=COLUMN_ROWS)


def margin(proba: Probabilities, /) -> Scores:
    """1 - (P(first) - P(second)), from 0 (sure) to 1 (tied). Scheffer et al., 2001."""
    if proba.shape[1] == 1:
        return np.zeros(len(proba))
    return _by_block(_margin, proba, rows=COLUMN_ROWS)


def ratio(proba: Probabilities, /) -> Scores:
    """P(second) / P(first), from 0 (sure) to 1 (tied). Settles, 2009, section 3.1."""
    if proba.shape[1] == 1:
        return np.zeros(len(proba))
    return _by_block(_ratio, proba, rows=COLUMN_ROWS)


def entropy(proba: Probabilities, /) -> Scores:
    """-sum p log p in nats, from 0 (sure) to log(n_classes) (all equal). Shannon, 1948; Dagan and Engelson, 1995."""
    return _by_block(_entropy, proba)


def expected_weight(proba: Probabilities, class_weights: Scores, /) -> Scores:
    """sum_c P(c) w_c: what an item's class is expected to weigh, (n_classes,) weights; a score times this is the
    class-weighted form of any measure, and weights of 1 leave it as it is. Elkan, 2001.
    """
    return _by_block(lambda part: part @ class_weights, proba)


def _margin(proba: Probabilities) -> Scores:
    first, second = _best_two(proba)
    return 1 - (first - second)


def _ratio(proba: Probabilities) -> Scores:
    first, second = _best_two(proba)
    return second / first  # the first of probabilities that sum to 1 is never 0


def _best_two(proba: Probabilities) -> tuple[Scores, Scores]:
    """The highest and the second highest of each row. Column by column: rows are short, and columns are vectors."""
    columns = _columns(proba)
    first, second = np.maximum(columns[0], columns[1]), np.minimum(columns[0], columns[1])
    for column in columns[2:]:
        second = np.maximum(second, np.minimum(first, column))
        first = np.maximum(first, column)
    return first.astype(np.float64), second.astype(np.float64)


def _columns(proba: Probabilities) -> Probabilities:
    """(n_classes, n_items), each class in one piece of memory."""
    return np.ascontiguousarray(proba.T)


def _entropy(proba: Probabilities) -> Scores:
    proba = np.asarray(proba, dtype=np.float64)
    # A p rounded to just above 1 must not make the sum negative.
    scores: Scores = np.maximum(-np.einsum("ij,ij->i", proba, logs(proba)), 0.0)
    return scores


def logs(proba: Probabilities) -> Probabilities:
    """log p, and a finite number at 0, so that 0 log 0 is 0."""
    found = np.maximum(proba, TINY)
    return np.log(found, out=found)


def _by_block(measure: Callable[[Probabilities], Scores], proba: Probabilities, *, rows: int | None = None) -> Scores:
    scores = np.empty(len(proba))
    for block in blocks(len(proba), rows or max(1, CELLS // proba.shape[1])):
        scores[block] = measure(proba[block])
    return scores
