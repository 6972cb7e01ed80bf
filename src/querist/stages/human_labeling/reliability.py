"""How far each annotator can be trusted, and whom to ask.

Annotations are a table (n_items, n_annotators) of class codes, -1 where a person has not labeled an item.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ShapeError
from querist.core.types import Codes, Indices, Probabilities, Scores

Annotations = NDArray[np.int64]


@dataclass(frozen=True)
class Consensus:
    """`proba` (n_items, n_classes) of the true class; `confusion` (n_annotators, n_classes, n_classes), in each row
    what a person answers when that class is true; `prior` (n_classes,) how frequent classes are."""

    proba: Probabilities
    confusion: NDArray[np.float64]
    prior: Scores

    @property
    def accuracy(self) -> Scores:
        """(n_annotators,) how often each is right, classes as frequent as they are."""
        right: Scores = np.einsum("acc,c->a", self.confusion, self.prior)
        return right


def dawid_skene(
    annotations: Annotations,
    n_classes: int,
    *,
    truth: Codes | None = None,
    strength: float = 2.0,
    max_rounds: int = 100,
    tolerance: float = 1e-6,
) -> Consensus:
    """The true classes and each person's confusions that explain the annotations best, by expectation maximisation.

    `truth` (n_items,) holds the classes that are certain, -1 elsewhere. Persons with few annotations are drawn to the
    average person: `strength` counts as that many of their answers of each class. An item without annotation has the
    prior. Dawid and Skene, 1979; O(rounds n_annotations C).
    """
    table = check_annotations(annotations, n_classes)
    n_items, n_people = table.shape
    items, people = np.nonzero(table >= 0)
    answers = table[items, people]
    cells = people * n_classes + answers
    certain = np.full(n_items, -1) if truth is None else truth
    fixed = certain >= 0
    counts = np.bincount(items * n_classes + answers, minlength=n_items * n_classes).reshape(n_items, n_classes)
    known = fixed | (counts.sum(axis=1) > 0)
    prior = (counts.sum(axis=0) + 1) / (counts.sum() + n_classes)
    proba = np.where(known[:, None], counts / np.maximum(counts.sum(axis=1), 1)[:, None], prior)
    proba[fixed] = np.eye(n_classes)[certain[fixed]]
    for _ in range(max_rounds):
        before = proba
        said = np.empty((n_people, n_classes, n_classes))
        for c in range(n_classes):
            said[:, c] = np.bincount(cells, proba[items, c], n_people * n_classes).reshape(n_people, n_classes)
        average = (said.sum(axis=0) + np.eye(n_classes)) / (said.sum(axis=(0, 2)) + 1)[:, None]
        confusion = (said + strength * average) / (said.sum(axis=2) + strength)[:, :, None]
        prior = (proba[known].sum(axis=0) + 1) / (known.sum() + n_classes)
        logs = np.log(np.maximum(confusion, 1e-12))
        evidence = np.stack([np.bincount(items, logs[people, c, answers], n_items) for c in range(n_classes)], axis=1)
        evidence += np.log(prior)
        odds = np.exp(evidence - evidence.max(axis=1, keepdims=True))
        proba = odds / odds.sum(axis=1, keepdims=True)
        proba[fixed] = before[fixed]
        if np.abs(proba - before).max(initial=0.0) < tolerance:
            break
    return Consensus(proba, confusion, prior)


def agreement(annotations: Annotations, n_classes: int, *, strength: float = 2.0) -> Scores:
    """(n_annotators,) how often each agrees with another person on the same item.

    Drawn to the average of all by `strength` comparisons; someone who shares no item with others has that average.
    """
    table = check_annotations(annotations, n_classes)
    given = table >= 0
    same, pairs = np.zeros(table.shape[1]), np.zeros(table.shape[1])
    others = given.sum(axis=1) - 1
    for c in range(n_classes):
        chose = table == c
        same += (chose * (chose.sum(axis=1) - 1)[:, None]).sum(axis=0)
    pairs = (given * others[:, None]).sum(axis=0)
    average = same.sum() / pairs.sum() if pairs.sum() else 1.0
    found: Scores = (same + strength * average) / (pairs + strength)
    return found


def expected_gain(proba: Probabilities, confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n_items, n_annotators) what an answer of each person would tell about each item, in nats.

    The mutual information of answer and true class, from 0 (the answer says nothing, or nothing is open) to the
    entropy of the item's row in `proba` (n_items, n_classes). Divided by a person's price it says whom to ask.
    """
    answers = np.einsum("ic,aco->iao", proba.astype(np.float64), confusion)
    noise = proba @ _entropy(confusion).T
    gain: NDArray[np.float64] = np.maximum(_entropy(answers) - noise, 0.0)
    return gain


def whom_to_ask(
    proba: Probabilities, consensus: Consensus, annotations: Annotations, *, costs: Scores | None = None
) -> tuple[Indices, Scores]:
    """(n_items,) for each item the person whose answer tells most for its price, and that gain, among those who have
    not labeled the item yet; -1 and 0 where all have. `costs` (n_annotators,) are prices of an answer."""
    table = check_annotations(annotations, consensus.confusion.shape[1])
    gain = expected_gain(proba, consensus.confusion)
    if costs is not None:
        gain = gain / costs
    gain = np.where(table >= 0, -1.0, gain)
    best = gain.argmax(axis=1)
    worth: Scores = gain[np.arange(len(gain)), best]
    return np.where(worth >= 0, best, -1), np.maximum(worth, 0.0)


def check_annotations(annotations: Annotations, n_classes: int) -> Annotations:
    """The table as an array. Raises ShapeError on another shape or a code outside -1..n_classes-1."""
    table = np.asarray(annotations)
    if table.ndim != 2 or table.dtype.kind not in "iu" or table.shape[1] == 0:
        raise ShapeError(
            f"annotations must be whole numbers of shape (n_items, n_annotators), got {table.dtype} {table.shape}"
        )
    if table.size and not -1 <= table.min() <= table.max() < n_classes:
        raise ShapeError(f"annotations must lie in -1..{n_classes - 1}, got {table.min()}..{table.max()}")
    return table


def _entropy(proba: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over the last axis, in nats."""
    logs = np.log(np.where(proba > 0, proba, 1.0))
    found: NDArray[np.float64] = -(proba * logs).sum(axis=-1)
    return found
