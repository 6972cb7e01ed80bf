"""How much there is to learn from an item with several labels: (n_items, n_labels) probabilities -> (n_items,) scores.

Each label has a probability of its own; all measures are linear. f = 2p - 1, from -1 to 1, is the decision value.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from querist.core.checks import blocks
from querist.core.errors import SettingError, UnknownName
from querist.core.types import Probabilities, Scores

BALANCE = 0.5
"""Weight of the margin against the number of labels in `adaptive`; the paper tries several and takes the best."""


def least_confidence(proba: Probabilities) -> Scores:
    """1 - max(p, 1 - p) of each label, from 0 to 0.5."""
    return np.minimum(proba, 1 - proba)


def margin(proba: Probabilities) -> Scores:
    """1 - |f| of each label, from 0 to 1: the confidence of Esuli and Sebastiani, 2009, least first."""
    return 1 - np.abs(2 * proba - 1)


def entropy(proba: Probabilities) -> Scores:
    """-p log p - (1 - p) log(1 - p) of each label in nats, from 0 to log 2."""
    return _p_log_p(proba) + _p_log_p(1 - proba)


def signed(proba: Probabilities) -> Scores:
    """f of each label: the score of Esuli and Sebastiani, 2009, who ask for likely labels, since most are rare."""
    return 2 * proba - 1


def max_loss(proba: Probabilities) -> Scores:
    """sum_j (1 - m_j f_j), where m is 1 for the likeliest label and -1 for all others. Li, Wang and Sung, 2004."""
    f = 2 * proba - 1
    scores: Scores = proba.shape[1] + f.sum(axis=1) - 2 * f.max(axis=1)
    return scores


def mean_max_loss(proba: Probabilities) -> Scores:
    """The mean of that loss with each label in turn as the only one. Li, Wang and Sung, 2004."""
    f = 2 * proba - 1
    scores: Scores = proba.shape[1] + f.sum(axis=1) - 2 * f.mean(axis=1)
    return scores


def mmc(proba: Probabilities) -> Scores:
    """Maximum loss reduction with maximal confidence: sum_j (1 - y_j f_j) / 2. Yang et al., 2009.

    y is 1 for the likeliest labels, as many as are expected (sum p, rounded), and -1 for all others; the paper predicts
    the count by a logistic regression on labeled items.
    """
    f = 2 * proba - 1
    expected = np.rint(proba.sum(axis=1)).astype(np.intp)
    ordered = -np.sort(-f, axis=1)
    y = np.where(np.arange(proba.shape[1]) < expected[:, None], 1.0, -1.0)
    scores: Scores = ((1 - y * ordered) / 2).sum(axis=1)
    return scores


def inconsistency(proba: Probabilities, cardinality: float) -> Scores:
    """|number of labels with p > 1/2 - cardinality|: how unusual the predicted number is. Li and Guo, 2013."""
    scores: Scores = np.abs((proba > 0.5).sum(axis=1) - cardinality)
    return scores


def adaptive(proba: Probabilities, cardinality: float) -> Scores:
    """Max-margin uncertainty and inconsistency, multiplied: (1 / gap)^b (inconsistency)^(1 - b). Li and Guo, 2013.

    The gap is between the mean of the likely labels (p > 1/2) and that of the others, in f.
    """
    f, likely = 2 * proba - 1, proba > 0.5
    count = likely.sum(axis=1)
    up = np.where(count > 0, np.where(likely, f, 0).sum(axis=1) / np.maximum(count, 1), 0)
    others = proba.shape[1] - count
    down = np.where(others > 0, np.where(likely, 0, f).sum(axis=1) / np.maximum(others, 1), 0)
    unsure = 1 / np.maximum(up - down, np.finfo(np.float64).eps)
    scores: Scores = unsure**BALANCE * inconsistency(proba, cardinality) ** (1 - BALANCE)
    return scores


OF_LABELS: dict[str, Callable[[Probabilities], Scores]] = {
    "least_confidence": least_confidence,
    "margin": margin,
    "entropy": entropy,
    "score": signed,
}
OF_ITEMS: dict[str, Callable[[Probabilities], Scores]] = {
    "max_loss": max_loss,
    "mean_max_loss": mean_max_loss,
    "mmc": mmc,
}
OF_COUNTS: dict[str, Callable[[Probabilities, float], Scores]] = {"cardinality": inconsistency, "adaptive": adaptive}
OVER: dict[str, Callable[[Scores], Scores]] = {"mean": lambda of: of.mean(axis=1), "max": lambda of: of.max(axis=1)}


def check(measure: str) -> None:
    """Raises UnknownName, listing the measures, unless this is one."""
    if measure not in (names := [*OF_LABELS, *OF_ITEMS, *OF_COUNTS]):
        raise UnknownName("multi-label measure", measure, names)


def score(proba: Probabilities, measure: str, *, over: str = "mean", cardinality: float | None = None) -> Scores:
    """(n_items,) the scores of a measure by name; `over` joins those of single labels."""
    check(measure)
    if over not in OVER:
        raise UnknownName("way to join labels", over, OVER)
    if measure in OF_COUNTS and cardinality is None:
        raise SettingError(f"measure {measure!r} needs cardinality, the mean number of labels of a labeled item")
    scores = np.empty(len(proba))
    for block in blocks(len(proba)):
        scores[block] = _of_block(np.asarray(proba[block], dtype=np.float64), measure, over, cardinality)
    return scores


def _of_block(proba: Probabilities, measure: str, over: str, cardinality: float | None) -> Scores:
    if measure in OF_LABELS:
        return OVER[over](OF_LABELS[measure](proba))
    if measure in OF_ITEMS:
        return OF_ITEMS[measure](proba)
    return OF_COUNTS[measure](proba, cardinality or 0.0)


def _p_log_p(proba: Probabilities) -> Scores:
    return -proba * np.log(proba, out=np.zeros_like(proba), where=proba > 0)
