"""The one place that refuses arrays no measure, strategy or metric could use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ShapeError
from querist.core.types import Probabilities, Scores

BLOCK_ROWS = 65_536
SUM_TOLERANCE = 1e-3
"""Rows of probabilities may miss a sum of 1 by this, so that float16 and rounded files still pass."""
FEW_CLASSES = 1_000
"""So many float32 are summed in float32 with an error far below the tolerance, in whatever order."""


def blocks(n_items: int, rows: int = BLOCK_ROWS) -> Iterator[slice]:
    """Slices that cover 0..n_items-1, so that temporary arrays stay small however large the pool is."""
    return (slice(start, min(start + rows, n_items)) for start in range(0, n_items, rows))


def check_proba(proba: Any, *, n_items: int | None = None) -> Probabilities:  # Any: what a stranger hands in
    """The (n_items, n_classes) probabilities as an array. Raises ShapeError saying what is wrong with them."""
    array = _floats(proba, "probabilities")
    if array.ndim != 2 or array.shape[1] == 0:
        raise ShapeError(f"probabilities must have shape (n_items, n_classes), got {array.shape}")
    _check_length(array, n_items, "probabilities")
    exact = np.result_type(array, np.float32 if array.shape[1] <= FEW_CLASSES else np.float64)
    for block in blocks(len(array)):
        part = array[block]
        # Over all at once, and by einsum: numpy's reductions of short rows are many times slower.
        sums = np.einsum("ij->i", part, dtype=exact)
        if part.min() >= 0 and np.abs(sums - 1).max() <= SUM_TOLERANCE:  # neither holds with NaN
            continue
        lowest = part.min(axis=1)
        row = int(np.flatnonzero(~((lowest >= 0) & (np.abs(sums - 1) <= SUM_TOLERANCE)))[0])
        fault = "hold NaN" if np.isnan(sums[row]) else "are negative" if lowest[row] < 0 else "do not sum to 1"
        values = np.array2string(part[row], precision=4, threshold=10)
        raise ShapeError(f"probabilities {fault} in row {block.start + row}: {values}")
    return array


def check_samples(samples: Any, *, n_items: int | None = None) -> Probabilities:  # Any: what a stranger hands in
    """The (n_samples, n_items, n_classes) probabilities as an array. Raises ShapeError naming the wrong opinion."""
    array = _floats(samples, "samples")
    if array.ndim != 3 or len(array) == 0:
        raise ShapeError(f"samples must have shape (n_samples, n_items, n_classes), got {array.shape}")
    for number, opinion in enumerate(array):
        try:
            check_proba(opinion, n_items=n_items)
        except ShapeError as error:
            raise ShapeError(f"opinion {number} of {len(array)}: {error}") from None
    return array


def check_independent(proba: Any) -> Probabilities:  # Any: what a stranger hands in
    """The (n_items, n_labels) probabilities of labels that do not exclude each other, as an array; each in 0..1."""
    array = _floats(proba, "probabilities")
    if array.ndim != 2 or array.shape[1] == 0:
        raise ShapeError(f"probabilities must have shape (n_items, n_labels), got {array.shape}")
    if not ((array >= 0) & (array <= 1)).all():  # false for NaN, too
        row = int(np.flatnonzero(~((array >= 0) & (array <= 1)).all(axis=1))[0])
        raise ShapeError(f"probabilities of labels must lie in 0..1, row {row} does not: {array[row]}")
    return array


def check_scores(scores: Any, *, n_items: int | None = None) -> Scores:  # Any: what a stranger hands in
    """The (n_items,) scores as an array. Raises ShapeError on another shape, NaN or infinity."""
    array = _floats(scores, "scores")
    if array.ndim != 1:
        raise ShapeError(f"scores must have shape (n_items,), got {array.shape}")
    _check_length(array, n_items, "scores")
    _check_finite(array, "scores")
    return array


def check_embeddings(embeddings: Any, *, n_items: int | None = None) -> NDArray[Any]:  # Any: what a stranger hands in
    """The (n_items, n_dims) embeddings as an array. Raises ShapeError on another shape, NaN or infinity."""
    array = _floats(embeddings, "embeddings")
    if array.ndim != 2:
        raise ShapeError(f"embeddings must have shape (n_items, n_dims), got {array.shape}")
    _check_length(array, n_items, "embeddings")
    for block in blocks(len(array)):
        part = array[block].ravel()
        # NaN and infinity stay in a sum of squares, which is many times faster than to look at each number.
        if not np.isfinite(np.dot(part, part)):
            _check_finite(part, "embeddings")
    return array


def _floats(values: Any, what: str) -> NDArray[Any]:
    try:
        array = np.asarray(values)
        return array if array.dtype.kind == "f" else array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"{what} must be an array of numbers: {error}") from None


def _check_length(array: NDArray[Any], n_items: int | None, what: str) -> None:
    if n_items is not None and len(array) != n_items:
        raise ShapeError(f"{what} are given for {len(array)} items, expected {n_items}")


def _check_finite(array: NDArray[Any], what: str) -> None:
    if not (finite := np.isfinite(array)).all():
        raise ShapeError(f"{what} hold NaN or infinity at {int((~finite).sum())} of {array.size} places")
