"""Quality on labeled items: functions of a confusion matrix, or of probabilities with a weight for each item.

Both kinds work on many resamples at once (leading axes), which is what makes intervals cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.checks import check_independent, check_proba
from querist.core.errors import ShapeError, UnknownName
from querist.core.losses import log_losses
from querist.core.types import Codes, Probabilities, Targets
from querist.stages.evaluation import of_sets

Floats = NDArray[np.float64]
Confusion = NDArray[Any]
"""(..., n_classes, n_classes) counts or weights, true class by predicted class."""

EACH_CLASS_ALIKE = frozenset({"macro_f1", "roc_auc", "average_precision", "cohen_kappa", "mcc"})
"""The metrics in which an item weighs the more the fewer its class has."""
LOWER_IS_BETTER = frozenset({"log_loss", "hamming_loss"})


def accuracy(matrix: Confusion) -> Floats:
    return _ratio(_hits(matrix).sum(axis=-1), matrix.sum(axis=(-2, -1)))


def class_recall(matrix: Confusion) -> Floats:
    """(..., n_classes); 0 for a class without items."""
    return _ratio(_hits(matrix), matrix.sum(axis=-1))


def class_precision(matrix: Confusion) -> Floats:
    """(..., n_classes); 0 for a class that is never predicted."""
    return _ratio(_hits(matrix), matrix.sum(axis=-2))


def class_f1(matrix: Confusion) -> Floats:
    """(..., n_classes); 0 for a class that neither occurs nor is predicted."""
    return _ratio(2 * _hits(matrix), matrix.sum(axis=-1) + matrix.sum(axis=-2))


def macro_f1(matrix: Confusion) -> Floats:
    """Mean F1 of the classes that occur or are predicted."""
    seen = (matrix.sum(axis=-1) + matrix.sum(axis=-2)) > 0
    return _ratio((class_f1(matrix) * seen).sum(axis=-1), seen.sum(axis=-1))


def weighted_f1(matrix: Confusion) -> Floats:
    """Mean F1, classes weighted by their items."""
    support = matrix.sum(axis=-1)
    return _ratio((class_f1(matrix) * support).sum(axis=-1), support.sum(axis=-1))


def cohen_kappa(matrix: Confusion) -> Floats:
    """Agreement beyond chance, at most 1; 0 when all items have one class and it is predicted. Cohen, 1960."""
    n = matrix.sum(axis=(-2, -1))
    chance = _ratio((matrix.sum(axis=-1) * matrix.sum(axis=-2)).sum(axis=-1), n * n)
    return _ratio(accuracy(matrix) - chance, 1 - chance)


def mcc(matrix: Confusion) -> Floats:
    """Matthews correlation of true and predicted class, -1..1; 0 when either is constant. Gorodkin, 2004."""
    true, predicted, n = matrix.sum(axis=-1), matrix.sum(axis=-2), matrix.sum(axis=(-2, -1))
    covariance = _hits(matrix).sum(axis=-1) * n - (true * predicted).sum(axis=-1)
    spread_true, spread_predicted = n * n - (true * true).sum(axis=-1), n * n - (predicted * predicted).sum(axis=-1)
    return _ratio(covariance, np.sqrt(spread_true * 1.0 * spread_predicted))


def log_loss(y: Targets, proba: Probabilities, weights: Floats) -> Floats:
    """(...,) mean -log P(true class) in nats; a probability of 0 counts as 2.2e-16."""
    return _ratio(weights @ log_losses(y, proba), weights.sum(axis=-1))


def roc_auc(y: Targets, proba: Probabilities, weights: Floats) -> Floats:
    """(...,) area under the ROC curve, class against rest, mean of the classes that occur; NaN with one class only."""

    def area(hits: Floats, misses: Floats) -> Floats:
        steps = np.diff(misses, axis=-1, prepend=0.0)
        before = np.concatenate([np.zeros_like(hits[..., :1]), hits[..., :-1]], axis=-1)
        return _ratio((steps * (hits + before)).sum(axis=-1), 2 * hits[..., -1] * misses[..., -1], undefined=np.nan)

    return _mean_over_classes(area, y, proba, weights)


def average_precision(y: Targets, proba: Probabilities, weights: Floats) -> Floats:
    """(...,) sum of precision times gain in recall, each class against the rest, mean of the classes that occur."""

    def area(hits: Floats, misses: Floats) -> Floats:
        gains = np.diff(hits, axis=-1, prepend=0.0)
        precision = _ratio(hits, hits + misses)
        return _ratio((gains * precision).sum(axis=-1), hits[..., -1], undefined=np.nan)

    return _mean_over_classes(area, y, proba, weights)


OF_CONFUSION: dict[str, Callable[[Confusion], Floats]] = {
    "accuracy": accuracy,
    "macro_f1": macro_f1,
    "micro_f1": accuracy,  # with one class an item, each miss is one false positive and one false negative
    "weighted_f1": weighted_f1,
    "cohen_kappa": cohen_kappa,
    "mcc": mcc,
}
OF_CLASS: dict[str, Callable[[Confusion], Floats]] = {
    "f1": class_f1,
    "recall": class_recall,
    "precision": class_precision,
}
OF_ITEMS: dict[str, Callable[[Targets, Probabilities, Floats], Floats]] = {
    "roc_auc": roc_auc,
    "average_precision": average_precision,
    "log_loss": log_loss,
}
MEANS: dict[str, Callable[[Targets, Probabilities], Floats]] = {"log_loss": log_losses}
"""The metrics of items that are the mean of one value (n_items,) an item."""


def check(name: str, classes: Sequence[str] | None = None, *, several: bool = False) -> None:
    """Raises UnknownName, listing what is available, unless `name` is a metric (of one of `classes`, where given), of
    items with `several` labels or with one."""
    kind, colon, label = name.partition(":")
    known = [*(of_sets.NAMES if several else OF_CONFUSION), *OF_ITEMS]
    if name in known:
        return
    if kind not in OF_CLASS or not colon:
        raise UnknownName("metric", name, [*known, *(f"{k}:CLASS" for k in OF_CLASS)])
    if classes is not None and label not in classes:
        raise UnknownName(f"class in metric {name!r}:", label, classes)


def higher_is_better(name: str) -> bool:
    return name not in LOWER_IS_BETTER


def bounds(name: str) -> tuple[float, float]:
    """The least and the largest value a metric can have."""
    if name == "log_loss":
        return 0.0, float("inf")
    return (-1.0 if name in ("cohen_kappa", "mcc") else 0.0), 1.0


def measure(name: str, y: Targets, proba: Probabilities, classes: Sequence[str]) -> float:
    """The metric of (n,) class codes and (n, n_classes) probabilities; the largest probability is the prediction, and
    of items with several labels, `y` (n, n_classes) bool, all labels that are likelier than not.

    NaN where the metric is undefined (roc_auc with one class). Raises UnknownName, ShapeError.
    """
    check(name, classes, several=np.ndim(y) == 2)
    y, proba = check_truth(y, proba, len(classes))
    if name in OF_ITEMS:
        return float(OF_ITEMS[name](y, proba, np.ones(len(y))))
    if y.ndim == 2:
        return of_sets.measure(name, y, proba, classes)
    return float(of_confusion(name, classes)(confusion_matrix(y, proba)))


def of_confusion(name: str, classes: Sequence[str]) -> Callable[[Confusion], Floats]:
    """The function behind a metric that needs the confusion matrix only."""
    if name in OF_CONFUSION:
        return OF_CONFUSION[name]
    kind, _, label = name.partition(":")
    position = list(classes).index(label)
    return lambda matrix: OF_CLASS[kind](matrix)[..., position]


def confusion_matrix(y: Codes, proba: Probabilities) -> Confusion:
    n_classes = proba.shape[1]
    cells = np.bincount(y * n_classes + proba.argmax(axis=1), minlength=n_classes * n_classes)
    return cells.reshape(n_classes, n_classes)


def check_truth(y: Targets, proba: Probabilities, n_classes: int) -> tuple[Targets, Probabilities]:
    y = np.asarray(y)
    proba = check_independent(proba) if y.ndim == 2 else check_proba(proba)
    if proba.shape[1] != n_classes:
        raise ShapeError(f"probabilities have {proba.shape[1]} columns for {n_classes} classes")
    if y.shape not in ((len(proba),), proba.shape):
        raise ShapeError(f"labels have shape {y.shape}, the probabilities are of {len(proba)} items")
    if len(y) == 0:
        raise ShapeError("a metric needs at least one labeled item, got none")
    if y.ndim == 2:
        return y.astype(bool), proba
    if y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= n_classes:
        raise ShapeError(f"labels must be class codes 0..{n_classes - 1}, got {np.unique(y)[:5]} ({y.dtype})")
    return y.astype(np.int64), proba


def one_class(name: str, classes: Sequence[str]) -> int | None:
    """The number of the class that a metric such as recall:CLASS is about; None for the others."""
    kind, colon, label = name.partition(":")
    return list(classes).index(label) if colon and kind in OF_CLASS else None


def items_behind(name: str, y: Targets, classes: Sequence[str]) -> float:
    """The items (n,) that a value of the metric rests on: all, those of its class, or, where each class weighs alike,
    as many in even classes as make a mean over classes as sure: the harmonic mean of their sizes for each."""
    of = np.asarray(y)
    sizes = of.sum(axis=0) if of.ndim == 2 else np.bincount(of, minlength=len(classes))
    if (code := one_class(name, classes)) is not None:
        return float(max(sizes[code], 1))
    present = sizes[sizes > 0]
    if name not in EACH_CLASS_ALIKE or not len(present):
        return float(len(of))
    return float(len(present) ** 2 / (1 / present).sum())


def _mean_over_classes(
    area: Callable[[Floats, Floats], Floats], y: Targets, proba: Probabilities, weights: Floats
) -> Floats:
    """`area` of the weight of true and false items above each distinct probability, averaged over defined classes."""
    areas = []
    several = y.ndim == 2
    for c in np.flatnonzero(y.any(axis=0)) if several else np.unique(y):
        order = np.argsort(-proba[:, c], kind="stable")
        values, true = proba[order, c], (y[:, c] if several else y == c)[order]
        ends = np.flatnonzero(np.r_[values[1:] != values[:-1], True])
        ordered = weights[..., order]
        hits = np.cumsum(ordered * true, axis=-1)[..., ends]
        misses = np.cumsum(ordered * ~true, axis=-1)[..., ends]
        areas.append(area(hits, misses))
    stacked = np.array(areas)
    defined = ~np.isnan(stacked)
    return _ratio(np.where(defined, stacked, 0.0).sum(axis=0), defined.sum(axis=0), undefined=np.nan)


def _hits(matrix: Confusion) -> Confusion:
    return np.diagonal(matrix, axis1=-2, axis2=-1)


def _ratio(top: NDArray[Any], bottom: NDArray[Any], *, undefined: float = 0.0) -> Floats:
    """top / bottom, `undefined` where bottom is 0."""
    top, bottom = np.asarray(top, dtype=np.float64), np.asarray(bottom, dtype=np.float64)
    out = np.full(np.broadcast_shapes(top.shape, bottom.shape), undefined)
    np.divide(top, bottom, out=out, where=bottom > 0)
    return out
