"""How far people agree who answered the same items.

Annotations are a table (n_items, n_annotators) of class codes, -1 where a person has not labeled an item. A figure that
the answers do not determine (nobody overlaps, or all say the same) is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from querist.core.label_sets import Members
from querist.core.types import Codes
from querist.stages.human_labeling.reliability import Annotations, check_annotations

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pairs:
    """Of each two annotators: items `shared`, those answered the `same`, and Cohen's `kappa`, all (n_annotators,
    n_annotators); a person shares nothing with themself."""

    shared: NDArray[np.int64]
    same: NDArray[np.int64]
    kappa: Floats

    @property
    def with_others(self) -> Floats:
        """(n_annotators,) share of a person's answers that another person's answer to the same item repeats."""
        return _ratio(self.same.sum(axis=1), self.shared.sum(axis=1))

    @property
    def mean_kappa(self) -> float:
        """Mean of Cohen's kappa, each pair weighing as the items it shares. After Light, 1971."""
        known = ~np.isnan(self.kappa)
        return float(_ratio((self.kappa[known] * self.shared[known]).sum(), self.shared[known].sum()))


def counts(annotations: Annotations, n_classes: int) -> Codes:
    """(n_items, n_classes) how many people gave each class."""
    table = check_annotations(annotations, n_classes)
    found: Codes = np.zeros((len(table), n_classes), dtype=np.int64)
    for c in range(n_classes):
        found[:, c] = (table == c).sum(axis=1)
    return found


def confusions(annotations: Annotations, n_classes: int) -> Codes:
    """(n_classes, n_classes) pairs of answers to one item by what the one says and what the other says, each pair seen
    from both sides: the diagonal agrees, what stands beside it is mixed up."""
    given = counts(annotations, n_classes)
    found: Codes = given.T @ given - np.diag(given.sum(axis=0))
    return found


def raw_agreement(annotations: Annotations, n_classes: int) -> float:
    """Share of the pairs of answers to one item that say the same, from 0 to 1."""
    pairs = confusions(annotations, n_classes)
    return float(_ratio(np.trace(pairs), pairs.sum()))


def class_agreement(annotations: Annotations, n_classes: int) -> Floats:
    """(n_classes,) where one person gives a class, how often another does. Spitzer and Fleiss, 1974."""
    pairs = confusions(annotations, n_classes)
    return _ratio(np.diag(pairs), pairs.sum(axis=1))


def pair_agreement(annotations: Annotations, n_classes: int) -> Pairs:
    """Each two annotators on the items that both answered. O(n_items n_annotators^2 n_classes)."""
    table = check_annotations(annotations, n_classes)
    given = (table >= 0).astype(np.float64)
    shared = given.T @ given
    same, chance = np.zeros_like(shared), np.zeros_like(shared)
    for c in range(n_classes):
        chose = (table == c).astype(np.float64)
        same += chose.T @ chose
        often = chose.T @ given
        chance += often * often.T
    for matrix in (shared, same):
        np.fill_diagonal(matrix, 0)
    kappa = _beyond(_ratio(same, shared), _ratio(chance, shared * shared))
    return Pairs(shared.astype(np.int64), same.astype(np.int64), kappa)


def cohen_kappa(first: Codes, second: Codes, n_classes: int) -> float:
    """Agreement of two people beyond chance, 1 at most, on the items that both answered. Cohen, 1960."""
    return float(pair_agreement(np.stack([first, second], axis=1), n_classes).kappa[0, 1])


def fleiss_kappa(annotations: Annotations, n_classes: int) -> float:
    """Agreement beyond chance where every item has equally many answers, whoever gave them. Fleiss, 1971.

    Items with one answer or none are left out; NaN where the others do not all have the same number.
    """
    given = counts(annotations, n_classes)
    given = given[given.sum(axis=1) > 1]
    people = given.sum(axis=1)
    if not len(given) or (people != people[0]).any():
        return float("nan")
    agreed = (given * (given - 1)).sum() / (people * (people - 1)).sum()
    shares = given.sum(axis=0) / given.sum()
    return float(_beyond(agreed, (shares**2).sum()))


def krippendorff_alpha(annotations: Annotations, n_classes: int) -> float:
    """Agreement beyond chance of classes without order, whoever answered how often. Krippendorff, 2011."""
    given = counts(annotations, n_classes)
    given = given[given.sum(axis=1) > 1]
    people = given.sum(axis=1)
    agreed = ((given * (given - 1)).sum(axis=1) / (people - 1)).sum()
    often, total = given.sum(axis=0), given.sum()
    return float(_beyond(_ratio(agreed, total), _ratio((often * (often - 1)).sum(), total * (total - 1))))


def masi(sets: Members) -> Floats:
    """(n_sets, n_sets) how far sets of labels (n_sets, n_classes) differ, 0 (equal) to 1 (nothing in common): 1 - J M.

    J is the share of their labels that both have (Jaccard), M is 1 for equal sets, 2/3 where the one holds the other,
    1/3 where they overlap. Passonneau, 2006.
    """
    has = sets.astype(np.float64)
    sizes, both = has.sum(axis=1), has @ has.T
    either = sizes[:, None] + sizes - both
    equal, smaller = either == both, np.minimum(sizes[:, None], sizes)
    weight = np.where(equal, 1.0, np.where(both == smaller, 2 / 3, 1 / 3))
    share = np.divide(both, either, out=np.ones_like(both), where=either > 0)
    found: Floats = 1 - share * weight
    return found


def alpha_of_sets(annotations: Annotations, sets: Members) -> float:
    """Krippendorff's alpha where an answer is a set of labels, codes of `sets` (n_sets, n_classes): sets count as the
    more apart the less they share, by `masi`."""
    given = counts(annotations, len(sets))
    given = given[given.sum(axis=1) > 1]
    people, apart = given.sum(axis=1), masi(sets)
    pairs = (given / (people - 1.0)[:, None]).T @ given
    often = given.sum(axis=0).astype(np.float64)
    total = often.sum()
    seen = _ratio((pairs * apart).sum(), total)
    chance = _ratio((np.outer(often, often) * apart).sum(), total * (total - 1))
    return float(1 - _ratio(seen, chance))


def disputed(annotations: Annotations, n_classes: int) -> NDArray[np.bool_]:
    """(n_items,) whether two people gave different classes."""
    found: NDArray[np.bool_] = (counts(annotations, n_classes) > 0).sum(axis=1) > 1
    return found


def _beyond(agreed: Floats, chance: Floats) -> Floats:
    return _ratio(agreed - chance, np.where(np.isclose(chance, 1.0, rtol=0, atol=1e-12), 0.0, 1 - chance))


def _ratio(part: Floats | Codes, whole: Floats | Codes) -> Floats:
    """NaN where the whole is 0."""
    found: Floats = np.divide(part, np.where(whole == 0, np.nan, whole))
    return found
