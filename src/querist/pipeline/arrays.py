"""querist for people with arrays: the production measures and strategies, nothing recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from querist.core.checks import check_embeddings, check_independent, check_proba, check_samples, check_scores
from querist.core.errors import ShapeError
from querist.core.hashing import key_of
from querist.core.memory import Memory
from querist.core.protocols import Strategy
from querist.core.types import Codes, Embeddings, Indices, Pool, Probabilities, Scores
from querist.plugins import available, find
from querist.stages.query_strategy import regression
from querist.stages.query_strategy.ask import ask, make
from querist.stages.uncertainty_scoring import multilabel
from querist.stages.uncertainty_scoring.combine import combine
from querist.stages.uncertainty_scoring.schedule import weights_at

Measures = str | Mapping[str, float]
Seed = int | np.random.Generator | None


def score(
    proba: ArrayLike, *, measure: Measures = "margin", combination: str = "rank", class_weights: ArrayLike | None = None
) -> Scores:
    """(n_items,) how unsure the model is of each item, higher means ask first.

    `proba` is (n_items, n_classes); `measure` a name, or names with weights, joined by "rank", "quantile" or
    "product". `class_weights` (n_classes,) say how much each class matters. Several opinions on each item, (n_samples,
    n_items, n_classes), are scored by how far they disagree under the name of one such measure ("bald",
    "vote_entropy"), or by their mean under any other.
    """
    array = np.asarray(proba)
    if array.ndim == 3:
        samples = check_samples(array)
        if isinstance(measure, str) and measure in available("sample_measures"):
            scores: Scores = find("sample_measures", measure)(samples)
            return scores
        array = samples.mean(axis=0)
    return combine(weights_of(measure), array, combination=combination, class_weights=_class_weights(class_weights))[0]


def score_multilabel(
    proba: ArrayLike, *, measure: str = "margin", over: str = "mean", cardinality: float | None = None
) -> Scores:
    """(n_items,) how much there is to learn from an item that may have several labels, higher means ask first.

    `proba` (n_items, n_labels) holds the probability of each label by itself, so rows need not sum to 1. `measure` is
    margin, entropy, least_confidence or score for each label, joined by the `over` "mean" or "max"; or max_loss,
    mean_max_loss, mmc, cardinality or adaptive for the labels together. The last two need `cardinality`: how many
    labels a labeled item has on average.
    """
    return multilabel.score(check_independent(proba), measure, over=over, cardinality=cardinality)


def select_regression(
    method: str,
    batch_size: int,
    *,
    labels: ArrayLike,
    embeddings: ArrayLike | None = None,
    predictions: ArrayLike | None = None,
    samples: ArrayLike | None = None,
    rng: Seed = None,
) -> Indices:
    """(batch_size,) the items whose number to ask next, best first, as rows of the arrays given.

    `labels` (n_items,) are NaN or None where unlabeled; labeled items are never answered. "variance" takes the
    `samples` (n_samples, n_items) that differ most, the predictions of several models; "gsx" what lies farthest from
    the labeled in `embeddings` (n_items, n_dims), "gsy" in `predictions` (n_items,), "igs" in both. Projects take
    classes, not numbers; this function stands alone.
    """
    return regression.select(
        method,
        batch_size,
        labels=np.asarray(labels, dtype=np.float64),
        embeddings=None if embeddings is None else check_embeddings(embeddings),
        predictions=None if predictions is None else check_scores(predictions),
        samples=None if samples is None else check_embeddings(samples),
        rng=np.random.default_rng(rng),
    )


def select(
    strategy: str | Strategy,
    batch_size: int,
    *,
    proba: ArrayLike | None = None,
    embeddings: ArrayLike | None = None,
    labeled_embeddings: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    samples: ArrayLike | None = None,
    previous_proba: ArrayLike | None = None,
    costs: ArrayLike | None = None,
    measure: Measures | None = None,
    combination: str = "rank",
    class_weights: ArrayLike | None = None,
    params: Mapping[str, Any] | None = None,
    memory: Memory | None = None,
    rng: Seed = None,
) -> Indices:
    """(batch_size,) the items to label next, best first, as rows of the arrays given.

    `proba` (n_items, n_classes), `embeddings` (n_items, n_dims), `samples` (n_samples, n_items, n_classes) and `costs`
    (n_items,) are of the same items; `labels` (n_items,) says which of them are labeled (-1, None or NaN where not),
    and those are never answered. `measure`, `combination` and `class_weights` are as in `score`. `params` are settings
    of a strategy given by name. The same `memory` given round after round, with the same embeddings, lets a strategy
    go on from what it learned about the pool.
    """
    made, weights = make(strategy, params, weights_of(measure) if measure is not None else default_measures())
    opinions = None if samples is None else np.asarray(samples)
    before = None if previous_proba is None else np.asarray(previous_proba)
    given = {"proba": proba, "embeddings": embeddings, "labels": labels, "costs": costs, "previous_proba": before}
    sizes = {name: len(np.asarray(values)) for name, values in given.items() if values is not None}
    if opinions is not None:
        sizes["samples"] = opinions.shape[1] if opinions.ndim == 3 else -1
    if len(set(sizes.values())) != 1:
        raise ShapeError(f"arrays must be of the same items, got lengths {sizes or 'of nothing'}")
    n_items = next(iter(sizes.values()))
    unlabeled = np.ones(n_items, dtype=bool) if labels is None else _unlabeled(labels)
    open_, known = np.flatnonzero(unlabeled), np.flatnonzero(~unlabeled)
    every = None if proba is None else check_proba(proba)
    rows = None if every is None else _at(every, open_)
    scores = None
    if rows is not None and "scores" in made.needs:
        importance = _class_weights(class_weights)
        scores, _ = combine(weights, rows, combination=combination, class_weights=importance, checked=True)
    space = None if embeddings is None else check_embeddings(embeddings)
    near = labeled_embeddings if labeled_embeddings is not None or space is None else space[known]
    codes = None if labels is None else _column_codes(np.asarray(labels)[known], rows)
    pool = Pool(
        n_items=len(open_),
        proba=rows,
        scores=scores,
        embed=None if space is None else _embed(space, open_),
        costs=None if costs is None else np.asarray(costs, dtype=np.float64)[open_],
        samples=None if opinions is None else lambda: _at(opinions, open_, axis=1),
        previous_proba=None if before is None else before[open_],
        labeled_embeddings=None if near is None else np.asarray(near, dtype=np.float32),
        labeled_codes=codes,
        labeled_proba=None if every is None or codes is None else every[known],
        **({} if memory is None or space is None else _numbered(space, open_, known, memory)),
    )
    return open_[ask(made, pool, batch_size, np.random.default_rng(rng)).indices]


def _column_codes(labels: NDArray[Any], proba: Probabilities | None) -> Codes:
    """Whole numbers that name columns of `proba` are codes already; other labels are numbered in their order."""
    if proba is not None and labels.dtype.kind in "iuf" and len(labels):
        codes = labels.astype(np.int64)
        if (codes == labels).all() and codes.min() >= 0 and codes.max() < proba.shape[1]:
            return codes
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _at(array: NDArray[Any], rows: Indices, *, axis: int = 0) -> NDArray[Any]:
    """The rows, which ascend; a view, not a copy, where they leave no gap."""
    if _gapless(rows):
        return array[(*[slice(None)] * axis, slice(rows[0], rows[-1] + 1))]
    return array.take(rows, axis=axis)


def _embed(space: NDArray[Any], open_: Indices) -> Callable[[Indices | slice], Embeddings]:
    if not _gapless(open_):
        return lambda at: np.asarray(space[open_[at]], dtype=np.float32)
    rows = _at(space, open_)
    return lambda at: np.asarray(rows[at], dtype=np.float32)


def _gapless(rows: Indices) -> bool:
    return len(rows) > 0 and int(rows[-1] - rows[0]) == len(rows) - 1


def _numbered(space: NDArray[Any], open_: Indices, known: Indices, memory: Memory) -> dict[str, Any]:
    """The items by their rows, in a space named by one number for each row, which another row would not give."""
    directions: NDArray[Any] = np.random.default_rng(0).normal(size=space.shape[1:]).astype(space.dtype)
    return {"ids": open_, "labeled_ids": known, "space": key_of(space @ directions), "memory": memory}


def weights_of(measure: Measures) -> dict[str, float]:
    return {measure: 1.0} if isinstance(measure, str) else dict(measure)


def default_measures() -> dict[str, float]:
    from querist.config import Settings

    return weights_at(Settings().query.measures, share=0.0)


def _class_weights(given: ArrayLike | None) -> Scores | None:
    return None if given is None else np.asarray(given, dtype=np.float64)


def _unlabeled(labels: ArrayLike) -> NDArray[np.bool_]:
    """(n_items,) True where a label is -1, None or NaN; a NaN is the only value that differs from itself."""
    given = np.asarray(labels)
    values = given if given.dtype.kind in "iuf" else np.asarray(labels, dtype=object)
    if values.ndim != 1:
        raise ShapeError(f"labels must have shape (n_items,), got {values.shape}")
    if values.dtype.kind in "iuf":
        numbers: NDArray[np.bool_] = (values == -1) | (values != values)
        return numbers
    return np.array([v is None or v != v or (not isinstance(v, str) and v == -1) for v in values], dtype=bool)
