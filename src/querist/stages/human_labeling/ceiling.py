"""How right one answer is, told from how far people agree: a perfect model measures about that against such labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from querist.core.proportion import wilson
from querist.core.types import Codes

Holdout = Literal["single", "resolved", "given"]
"""Whose the holdout's labels are: of one person each, of several together, or those that came with the data."""
LEAST = 20
"""Items with several answers, without which nothing is said."""


@dataclass(frozen=True)
class Ceiling:
    """`value` is the share of single answers that are right, with its interval; `agreed` the share of pairs of answers
    to one item that say the same, of `n_items` items."""

    value: float
    low: float
    high: float
    agreed: float
    n_items: int


def ceiling(given: Codes, *, confidence: float = 0.95) -> Ceiling | None:
    """From `given` (n_items, n_classes), how many people gave each class; None below LEAST items with two answers.

    Two people say the same where both are right, or both wrong in the same way: A = p^2 + (1 - p)^2 h, where h is how
    concentrated wrong answers are, from 1 / (n_classes - 1) (anything) to 1 (always the same), taken from which
    classes are mixed up. That takes people as about equally good and their errors as independent: those who err on
    the same hard items look better than they are, and one who guesses among good ones makes all look worse. It speaks
    of these items: those that a strategy asked are harder than others. The interval draws items.
    """
    n_classes = given.shape[1]
    people = given.sum(axis=1)
    shared, people = given[people > 1], people[people > 1]
    if len(shared) < LEAST or n_classes < 2:
        return None
    pairs = people * (people - 1.0)
    same = (shared * (shared - 1.0)).sum(axis=1)
    total = float(pairs.sum())
    agreed = float(same.sum()) / total
    spread = float(((same - agreed * pairs) ** 2).sum()) / total**2
    # Where all agree, nothing is known of the spread; each item then tells as much as one pair.
    n = agreed * (1 - agreed) / spread if spread > 0 else len(shared)
    alike = concentration(shared)
    low, high = (_right(float(bound), alike) for bound in wilson(agreed, n, confidence=confidence))
    return Ceiling(_right(agreed, alike), low, high, agreed, len(shared))


def concentration(given: Codes) -> float:
    """Chance that two wrong answers to an item are the same, from the pairs of different answers."""
    n_classes = given.shape[1]
    apart = (given.T @ given).astype(np.float64)
    np.fill_diagonal(apart, 0)
    total = apart.sum(axis=1)
    if total.sum() == 0:
        return 1.0 / float(n_classes - 1)
    shares = apart / np.maximum(total, 1)[:, None]
    return float(((shares**2).sum(axis=1) * total).sum() / total.sum())


def said(limit: Ceiling, *, at_random: bool, holdout: Holdout, accuracy: float | None) -> str:
    """What it means for a model of this `accuracy` on the holdout; `at_random` where the items of `limit` are of the
    holdout or were drawn at random, not chosen by a strategy."""
    items = f"{limit.n_items:,} items" if at_random else f"{limit.n_items:,} items asked"
    found = (
        f"two people agree on {limit.agreed:.0%} of {items}, so one answer is right about {limit.value:.0%} of the "
        f"time ({limit.low:.0%} to {limit.high:.0%} if people are equally good; less where they err together)"
    )
    if not at_random:
        return (
            f"{found}; the items asked are harder than those of the holdout, of which this says little: let several "
            "people label some of the holdout"
        )
    if holdout == "given":
        return f"{found}; the holdout's labels came with the data, and it holds for them if they are as noisy"
    if holdout == "resolved":
        return f"{found}; what several answers say together is right more often, so a model may measure more than that"
    found += "; a perfect model measures about that against labels of one person each"
    if accuracy is not None and accuracy >= limit.high:
        return (
            f"{found}; the model has reached it ({accuracy:.0%}), so it takes better labels to see more, not more of "
            "them: let several people label the holdout"
        )
    return found


def _right(agreed: float, alike: float) -> float:
    return float((alike + np.sqrt(max(agreed * (1 + alike) - alike, 0.0))) / (1 + alike))
