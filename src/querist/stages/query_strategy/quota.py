"""Uncertainty with a share for each class, so that a minority is not starved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import SettingError, UnknownName
from querist.core.selection import top_k
from querist.core.types import Indices, Pool, Probabilities, Scores, Selection
from querist.stages.query_strategy.shares import allocate, take_turns


class Quota:
    """Asks for the most uncertain items of each class, with a share for every class that moves the labels to a target.

    `target` is "even" (as many labels of each class as can be), "labeled" (the shares that the labels have now), or a
    table {rare = 0.4}; classes that it leaves out share the rest evenly. The batch goes where labels are missing most.
    An item counts for the class that the model predicts; where a class has too few of those, the items with its
    highest probability fill up, so a class that the model never predicts is looked for, too.

    Source: Ertekin et al., 2007 (imbalance); Attenberg and Provost, 2010 (guided search for the rare class).
    Cost: O(n C).
    Memory: 16 n bytes.
    When: a class is rare and counts as much as the others (macro F1, recall of one class); with even classes it is
        plain uncertainty, and where the model's classes are wrong it spends labels on false alarms.
    """

    needs = frozenset({"scores", "proba", "labels"})

    def __init__(self, *, target: str | Mapping[str, float] = "even") -> None:
        if isinstance(target, str) and target not in ("even", "labeled"):
            raise SettingError(f'target = {target!r} of strategy quota must be "even", "labeled" or a table of shares')
        if isinstance(target, Mapping):
            _check_shares(target)
        self.target = target

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        assert pool.scores is not None  # `needs` says so, ask() checked it
        assert pool.proba is not None
        assert pool.labeled_codes is not None
        n_classes = pool.proba.shape[1]
        names = list(pool.classes) or [str(code) for code in range(n_classes)]
        labeled = np.bincount(pool.labeled_codes, minlength=n_classes)
        missing = labels_missing(target_shares(self.target, labeled, names), labeled, batch_size)
        quota = allocate(batch_size, missing, np.full(n_classes, pool.n_items), rng)
        picked, wanted, predicted = fill_quota(pool.scores, pool.proba, quota, rng)
        target = self.target if isinstance(self.target, str) else "the shares set"
        said = ", ".join(f"{quota[c]} of {names[c]} ({labeled[c]} labeled)" for c in np.flatnonzero(quota))
        expected = pool.proba[picked].sum(axis=0, dtype=np.float64)
        return Selection(
            picked,
            pool.scores[picked],
            thresholds={f"expected.{names[c]}": float(expected[c]) for c in range(n_classes)},
            note=f"The most uncertain of each class, toward {target}: {said}.",
            reasons=[
                f"for the share of {names[c]}" + ("" if own else f", likeliest of what is not read as {names[c]}")
                for c, own in zip(wanted.tolist(), predicted.tolist(), strict=True)
            ],
        )


def target_shares(target: str | Mapping[str, float], labeled: NDArray[Any], names: list[str]) -> Scores:
    """(n_classes,) shares of all labels that are wanted. Raises UnknownName on a class that is not there."""
    n_classes = len(labeled)
    even = np.full(n_classes, 1 / n_classes)
    if isinstance(target, str):
        return even if target == "even" or not labeled.sum() else labeled / labeled.sum()
    for name in target:
        if name not in names:
            raise UnknownName("class in the target of strategy quota:", name, names)
    others = n_classes - len(target)
    rest = (1 - sum(target.values())) / others if others else 0.0
    return np.array([float(target.get(name, max(rest, 0.0))) for name in names])


def labels_missing(shares: Scores, labeled: NDArray[Any], batch_size: int) -> Scores:
    """(n_classes,) labels of each class that the target lacks once the batch is answered, none below 0."""
    missing: Scores = np.maximum(shares * (labeled.sum() + batch_size) - labeled, 0.0)
    return missing


def fill_quota(
    scores: Scores, proba: Probabilities, quota: NDArray[np.intp], rng: np.random.Generator
) -> tuple[Indices, NDArray[np.intp], NDArray[np.bool_]]:
    """(k,) items, the class each was asked for, and whether the model predicts it; `quota` (n_classes,) has sum k.

    Of each class the highest scores among the items predicted as it; then, for classes with too few of those and the
    rarest first, the open items that most probably are of it.
    """
    predicted = proba.argmax(axis=1)
    sizes = np.bincount(predicted, minlength=len(quota))
    own = np.minimum(quota, sizes)
    chosen = {}
    open_ = np.ones(len(scores), dtype=bool)
    for c in np.flatnonzero(quota):
        members = np.flatnonzero(predicted == c)
        chosen[c] = members[top_k(scores[members], int(own[c]), rng)]
        open_[chosen[c]] = False
    for c in top_k(-sizes.astype(float), len(sizes), rng):
        if short := int(quota[c] - own[c]):
            others = np.flatnonzero(open_)
            more = others[top_k(proba[others, c], short, rng)]
            chosen[c] = np.concatenate([chosen[c], more])
            open_[more] = False
    order = take_turns(quota, rng)
    picked = np.concatenate([chosen[c] for c in np.flatnonzero(quota)])[order]
    wanted = np.repeat(np.arange(len(quota)), quota)[order]
    return picked, wanted, predicted[picked] == wanted


def _check_shares(target: Mapping[str, float]) -> None:
    for name, share in target.items():
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise SettingError(f"target share {share!r} of {name!r} in strategy quota must lie between 0 and 1")
    if not target or not 0 < sum(target.values()) <= 1 + 1e-9:
        raise SettingError(
            f"target shares of strategy quota sum to {sum(target.values()):g}; the sum must be above 0 and at most 1"
        )
