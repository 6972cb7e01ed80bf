"""Quality where an item may have several labels: every metric is a function of sums over items.

Predicted are the labels that are likelier than not. A metric of classes is one of the counts, for each class, of items
that have it and not, predicted and not; one of items is the mean of a value of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from querist.core.label_sets import Members, predicted
from querist.core.types import Codes, Probabilities

Floats = NDArray[np.float64]
Counts = NDArray[Any]
"""(..., n_classes, 2, 2) items: those that lack and have a class, by whether it is predicted."""


class Sums(NamedTuple):
    """What each item adds, (n_items, n_sums); what one of which nothing is known would, (n_sums,); and the metric of
    sums (n, n_sums)."""

    added: Floats
    unknown: Floats
    metric: Callable[[Floats], Floats]


def class_f1(counts: Counts) -> Floats:
    """(..., n_classes); 0 for a class that neither occurs nor is predicted."""
    return _ratio(2 * counts[..., 1, 1], 2 * counts[..., 1, 1] + counts[..., 0, 1] + counts[..., 1, 0])


def class_precision(counts: Counts) -> Floats:
    return _ratio(counts[..., 1, 1], counts[..., :, 1].sum(axis=-1))


def class_recall(counts: Counts) -> Floats:
    return _ratio(counts[..., 1, 1], counts[..., 1, :].sum(axis=-1))


def macro_f1(counts: Counts) -> Floats:
    """Mean F1 of the classes that occur or are predicted."""
    seen = counts.sum(axis=(-2, -1)) > counts[..., 0, 0]
    return _ratio((class_f1(counts) * seen).sum(axis=-1), seen.sum(axis=-1))


def micro_f1(counts: Counts) -> Floats:
    """F1 of all decisions about labels together."""
    together: Counts = counts.sum(axis=-3)
    return class_f1(together)


def weighted_f1(counts: Counts) -> Floats:
    """Mean F1, classes weighted by their items."""
    support = counts[..., 1, :].sum(axis=-1)
    return _ratio((class_f1(counts) * support).sum(axis=-1), support.sum(axis=-1))


def hamming_loss(counts: Counts) -> Floats:
    """Share of the decisions about labels that are wrong. Schapire and Singer, 1999."""
    return _ratio((counts[..., 0, 1] + counts[..., 1, 0]).sum(axis=-1), counts.sum(axis=(-3, -2, -1)))


def exact(y: Members, said: Members) -> Floats:
    """(n_items,) 1 where the whole set is right: subset accuracy, which is what accuracy means here."""
    whole: NDArray[np.bool_] = (y == said).all(axis=1)
    return whole.astype(np.float64)


def item_f1(y: Members, said: Members) -> Floats:
    """(n_items,) F1 of each item's set; 1 where it has no label and none is predicted."""
    both, either = (y & said).sum(axis=1), y.sum(axis=1) + said.sum(axis=1)
    found: Floats = np.where(either == 0, 1.0, _ratio(2 * both, either))
    return found


OF_COUNTS: dict[str, Callable[[Counts], Floats]] = {
    "macro_f1": macro_f1,
    "micro_f1": micro_f1,
    "weighted_f1": weighted_f1,
    "hamming_loss": hamming_loss,
}
OF_CLASS: dict[str, Callable[[Counts], Floats]] = {
    "f1": class_f1,
    "recall": class_recall,
    "precision": class_precision,
}
OF_ITEMS: dict[str, Callable[[Members, Members], Floats]] = {"accuracy": exact, "samples_f1": item_f1}
NAMES = (*OF_ITEMS, *OF_COUNTS)


def measure(name: str, y: Members, proba: Probabilities, classes: Sequence[str]) -> float:
    """A metric of NAMES, or f1:CLASS and so on, of (n, n_classes) truth and probabilities."""
    found = sums(name, y, proba, classes)
    return float(found.metric(found.added.sum(axis=0, keepdims=True))[0])


def sums(name: str, y: Members, proba: Probabilities, classes: Sequence[str]) -> Sums:
    """What a metric is computed from. In an item of which nothing is known each label is a toss of a coin."""
    said, n = predicted(proba), len(y)
    if name in OF_ITEMS:
        of_item = OF_ITEMS[name](y, said)
        return Sums(np.stack([of_item, np.ones(n)], axis=1), np.array([0.5, 1.0]), lambda s: _ratio(s[:, 0], s[:, 1]))
    kind, _, label = name.partition(":")
    function = OF_COUNTS.get(name) or OF_CLASS[kind]
    shown = [list(classes).index(label)] if label else list(range(y.shape[1]))
    added = counts_of(y[:, shown], said[:, shown]).reshape(n, -1).astype(np.float64)

    def metric(totals: Floats) -> Floats:
        found = function(totals.reshape(-1, len(shown), 2, 2))
        return found[:, 0] if label else found

    return Sums(added, np.full(added.shape[1], 0.25), metric)


def counts_of(y: Members, said: Members) -> NDArray[np.bool_]:
    """(n_items, n_classes, 2, 2) in which cell each decision lies."""
    has, is_said = (np.stack([~part, part], axis=-1) for part in (y, said))
    return has[..., :, None] & is_said[..., None, :]


def resampled(found: Sums, weights: Iterator[Floats]) -> Floats:
    """The metric in each resample, by weights (n_resamples, n_items + 1), the last that of an item yet unknown.

    With it, as with the cells of a confusion matrix, a holdout without a mistake is no proof that there are none.
    """
    added = np.concatenate([found.added, found.unknown[None]])
    return np.concatenate([found.metric(block @ added) for block in weights])


def decisions(y: Members, proba: Probabilities) -> tuple[Codes, Probabilities, NDArray[np.intp]]:
    """Each decision about one label of one item by itself: (m,) codes 0 (lacks it) and 1, (m, 2) probabilities, and
    (m,) the item, since decisions about the same item are not independent; m = n_items n_classes."""
    p = np.asarray(proba, dtype=np.float64).ravel()
    of = np.repeat(np.arange(len(y)), y.shape[1])
    return y.ravel().astype(np.int64), np.stack([1 - p, p], axis=1), of


def _ratio(top: NDArray[Any], bottom: NDArray[Any]) -> Floats:
    """top / bottom, 0 where bottom is 0."""
    out = np.zeros(np.broadcast_shapes(np.shape(top), np.shape(bottom)))
    np.divide(top, bottom, out=out, where=np.asarray(bottom) > 0)
    return out
