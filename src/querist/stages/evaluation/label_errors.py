"""Labels that look wrong: confident learning, and the order in which to look at them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from querist.core.types import Codes, Indices, Probabilities, Scores

PLANTED = 0.05
FIRST = 20
TELLING = 0.5
"""Share of planted errors that a trial finds, from which on suspects are worth a warning."""


@dataclass(frozen=True)
class Trial:
    """Of `planted` labels that were made wrong on purpose: the share `found` among the suspects, and the share of the
    `first` suspects that they are, `right`."""

    planted: int
    found: float
    first: int
    right: float


@dataclass(frozen=True)
class Suspects:
    """`indices` (k,) of items whose label looks wrong, worst first; the class `suggested` (k,) instead, and `scores`
    (k,) from 0 to 1, above 0.5 where the model holds another class likelier."""

    indices: Indices
    suggested: Codes
    scores: Scores


def thresholds(codes: Codes, proba: Probabilities) -> NDArray[np.float64]:
    """(n_classes,) mean probability that items of a class give to it; infinite for a class without items."""
    n_classes = proba.shape[1]
    own = proba[np.arange(len(codes)), codes]
    counts = np.bincount(codes, minlength=n_classes)
    sums = np.bincount(codes, own, n_classes)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)


def suspects(codes: Codes, proba: Probabilities) -> Suspects:
    """Items that the model would put into another class with at least the confidence usual there.

    `proba` (n, n_classes) must come from models that have not seen the item's label `codes` (n,). The off-diagonal of
    the confident joint of Northcutt et al., 2021, ranked by normalised margin.
    """
    proba = np.asarray(proba, dtype=np.float64)
    confident = np.where(proba >= thresholds(codes, proba), proba, -1.0)
    best = confident.argmax(axis=1)
    at = np.flatnonzero((confident.max(axis=1) >= 0) & (best != codes))
    others = proba[at].copy()
    others[np.arange(len(at)), codes[at]] = -1.0
    scores = (others.max(axis=1, initial=-1.0) - proba[at, codes[at]] + 1) / 2
    order = np.argsort(-scores, kind="stable")
    return Suspects(at[order], best[at][order].astype(np.int64), scores[order])


def try_out(
    codes: Codes, judge: Callable[[Codes], Probabilities], rng: np.random.Generator, *, share: float = PLANTED
) -> Trial:
    """How well suspects are found among these labels: a share of them is made wrong at random, and looked for.

    `judge` gives the probabilities (n, n_classes) of models that have not seen the item's label. Wrong classes are as
    frequent as classes are.
    """
    at = np.sort(rng.choice(len(codes), max(round(share * len(codes)), 1), replace=False))
    wrong = codes.copy()
    for i in at:
        wrong[i] = rng.choice(codes[codes != codes[i]])
    found = suspects(wrong, judge(wrong)).indices
    first = found[: min(FIRST, len(at))]
    right = float(np.isin(first, at).mean()) if len(first) else 0.0
    return Trial(len(at), float(np.isin(at, found).mean()), len(first), right)


def in_words(n: int, n_labels: int, trial: Trial) -> str:
    """What `n` suspects among so many labels are worth: no figure tells hard items from errors, only a look does."""
    return (
        f"{n:,} of {n_labels:,} labels are not what models expect that were not shown them: errors, or hard items. In "
        f"a trial with {trial.planted:,} labels made wrong on purpose, {trial.found:.0%} of these became suspects and "
        f"made up {trial.right:.0%} of the first {trial.first}. Look at the first; stop when they prove right"
    )
