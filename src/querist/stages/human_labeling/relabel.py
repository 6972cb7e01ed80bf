"""Ask again about a labeled item, or about a new one: both on one scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from querist.core.errors import ShapeError
from querist.core.types import Codes, Probabilities, Scores
from querist.stages.human_labeling.reliability import Annotations, check_annotations

LEAST = 1e-6
"""No weight and no chance error is smaller than this."""


@dataclass(frozen=True)
class Trust:
    """What an opinion counts: `annotators` (n_annotators,) and the `model`, where 0 is a constant guess; `agreement` is
    how often a person agrees with the consensus where there are several."""

    annotators: Scores
    model: float
    agreement: float


def relabel_or_new(
    annotations: Annotations, proba: Probabilities, new_proba: Probabilities
) -> tuple[Scores, Scores, Codes]:
    """Scores (n_items,) of labeled and (n_new,) of new items on one scale, 0 to 1, higher means ask first; and the
    consensus (n_items,) of the labeled ones.

    `annotations` (n_items, n_annotators) are class codes, -1 where missing, at least one for each item; `proba`
    (n_items, n_classes) and `new_proba` (n_new, n_classes) come from a model that has not seen these items' labels and
    is calibrated. A score is 1 - the weighted mean of the consensus' quality and a guess, 1 / n_classes, so it falls
    with each trusted person who agrees. Goh and Mueller, 2023 (ActiveLab), on Goh et al., 2022 (CROWDLAB), without
    the temperature that those fit, since models here are calibrated before.
    """
    n_classes = proba.shape[1]
    table = check_annotations(annotations, n_classes)
    given = table >= 0
    if (bare := np.flatnonzero(~given.any(axis=1))).size:
        raise ShapeError(f"item {bare[0]} of the labeled ones has no annotation; give it among the new ones")
    consensus, quality, trust = crowd_quality(table, proba)
    average = float(trust.annotators.mean())
    weight = (given * trust.annotators).sum(axis=1) + trust.model
    again: Scores = 1 - (quality * weight + average / n_classes) / (weight + average)
    best = new_proba.max(axis=1).astype(np.float64)
    new: Scores = 1 - (best * trust.model + average / n_classes) / (trust.model + average)
    return again, new, consensus


def crowd_quality(table: Annotations, proba: Probabilities) -> tuple[Codes, Scores, Trust]:
    """(n_items,) the consensus, (n_items,) the chance that it is right, and what each opinion counted for that.

    Where nobody labeled anything twice, the only annotation is the consensus, the model judges it, and all count 1.
    """
    n_classes = proba.shape[1]
    counts = np.stack([(table == c).sum(axis=1) for c in range(n_classes)], axis=1)
    consensus = _majority(counts, proba)
    if (counts.sum(axis=1) <= 1).all():
        trust = Trust(np.ones(table.shape[1]), 1.0, 1.0)
        return consensus, proba[np.arange(len(table)), consensus].astype(np.float64), trust
    opinions = opinions_of(table, proba, trusted(table, consensus, proba, counts))
    tied = (opinions == opinions.max(axis=1, keepdims=True)).sum(axis=1) > 1
    consensus = np.where(tied, consensus, opinions.argmax(axis=1))
    trust = trusted(table, consensus, proba, counts)
    return consensus, opinions_of(table, proba, trust)[np.arange(len(table)), consensus], trust


def trusted(table: Annotations, consensus: Codes, proba: Probabilities, counts: Codes) -> Trust:
    """1 - error / error of a constant guess, for each person against the others and for the model against the
    consensus, on the items with several annotations; the model's grows with the annotations an item has."""
    n_annotations = counts.sum(axis=1)
    several = n_annotations > 1
    many = consensus[several]
    chance = max(float((many != np.bincount(many).argmax()).mean()), LEAST)
    given, others = table >= 0, n_annotations - 1
    same = np.where(given, np.take_along_axis(counts, np.maximum(table, 0), axis=1) - 1, 0).sum(axis=0)
    pairs = (given * others[:, None]).sum(axis=0)
    agrees = np.where(pairs > 0, same / np.maximum(pairs, 1), np.nan)
    agrees = np.where(np.isnan(agrees), np.nanmean(agrees), agrees)
    wrong = float((proba[several].argmax(axis=1) != many).mean())
    share = counts[several, many] / n_annotations[several]
    return Trust(
        annotators=np.maximum(1 - (1 - agrees) / chance, LEAST),
        model=max(1 - wrong / chance, LEAST) * float(np.sqrt(n_annotations.mean())),
        agreement=float(share.mean()),
    )


def opinions_of(table: Annotations, proba: Probabilities, trust: Trust) -> Probabilities:
    """(n_items, n_classes) the mean of model and people, each with its weight; a person's opinion is the agreement for
    the class given, and the rest spread over the others."""
    n_classes = proba.shape[1]
    other = (1 - trust.agreement) / max(n_classes - 1, 1)
    weight = (table >= 0) @ trust.annotators
    total = proba * trust.model + (weight * other)[:, None]
    for c in range(n_classes):
        total[:, c] += ((table == c) @ trust.annotators) * (trust.agreement - other)
    mean: Probabilities = total / (weight + trust.model)[:, None]
    return mean


def _majority(counts: Codes, proba: Probabilities) -> Codes:
    """Of classes with as many votes the one that the model finds likeliest."""
    most = counts == counts.max(axis=1, keepdims=True)
    winners: Codes = np.where(most, proba, -1.0).argmax(axis=1)
    return winners
