"""Several measures joined into one score."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from querist.core.checks import check_proba, check_scores
from querist.core.errors import SettingError, ShapeError, UnknownName
from querist.core.types import Probabilities, Scores
from querist.plugins import find
from querist.stages.uncertainty_scoring.measures import expected_weight

LOW, HIGH = 0.05, 0.95
"""Quantiles that the scores of every measure share after "quantile"."""


def combine(
    weights: Mapping[str, float],
    proba: Probabilities,
    *,
    combination: str = "rank",
    class_weights: Scores | None = None,
    checked: bool = False,
) -> tuple[Scores, dict[str, Scores]]:
    """The (n_items,) scores of the weighted measures, and the raw score of each measure by its name.

    `class_weights` (n_classes,) multiply each score by what the item's class is expected to weigh. `checked` says
    that the caller has looked at the probabilities. Raises ShapeError on bad ones, UnknownName on an unknown measure,
    SettingError on useless weights.
    """
    check_weights(weights)
    proba = proba if checked else check_proba(proba)
    parts = {name: check_scores(find("measures", name)(proba), n_items=len(proba)) for name in weights}
    if class_weights is None:
        return join(weights, parts, combination=combination), parts
    importance = expected_weight(proba, check_class_weights(class_weights, proba.shape[1]))
    weighted = {name: part * importance for name, part in parts.items()}
    return join(weights, weighted, combination=combination), parts


def join(weights: Mapping[str, float], parts: Mapping[str, Scores], *, combination: str = "rank") -> Scores:
    """One measure as it is; several as the weighted mean of what makes them comparable, or as their product.

    "rank": the mean of their ranks, scaled to 0..1 (equal scores share a rank); O(n log n) in the pool. "quantile":
    the mean after each is scaled so that 5 % of its scores lie below 0 and 5 % above 1, which keeps distances.
    "product": the geometric mean, where a score of 0 under any measure is 0 in the end.
    """
    check_weights(weights)
    if combination not in JOINS:
        raise UnknownName("combination", combination, JOINS)
    if len(weights) == 1:
        return parts[next(iter(weights))]
    total = sum(weights.values())
    return JOINS[combination]({name: weight / total for name, weight in weights.items() if weight}, parts)


def check_weights(weights: Mapping[str, float]) -> None:
    if not weights:
        raise SettingError("no measure is named; give at least one, e.g. {margin = 1.0}")
    for name, weight in weights.items():
        if not 0 <= weight < float("inf"):
            raise SettingError(f"the weight of measure {name!r} is {weight}; give a finite number that is not negative")
    if not any(weights.values()):
        raise SettingError(f"all measures have weight 0 ({', '.join(weights)}); give at least one a positive weight")


def check_class_weights(class_weights: Scores, n_classes: int) -> Scores:
    weights = np.asarray(class_weights, dtype=np.float64)
    if weights.shape != (n_classes,):
        raise ShapeError(f"class weights must have shape ({n_classes},), one for each class, got {weights.shape}")
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise SettingError(f"class weights are {weights.tolist()}; give finite numbers, none negative, one positive")
    return weights


def weights_of_classes(settings: Mapping[str, float], classes: tuple[str, ...]) -> Scores | None:
    """(n_classes,) the weights of `query.class_weights`, 1 for a label that is not named; None where none is."""
    if unknown := sorted(set(settings) - set(classes)):
        raise UnknownName("class in query.class_weights", unknown[0], classes)
    return np.array([settings.get(label, 1.0) for label in classes]) if settings else None


def _mean_rank(weights: Mapping[str, float], parts: Mapping[str, Scores]) -> Scores:
    return _mean(weights, parts, _relative_ranks)


def _mean_quantile(weights: Mapping[str, float], parts: Mapping[str, Scores]) -> Scores:
    return _mean(weights, parts, _between_quantiles)


def _mean(weights: Mapping[str, float], parts: Mapping[str, Scores], scale: Callable[[Scores], Scores]) -> Scores:
    scores = np.zeros(len(next(iter(parts.values()))))
    for name, weight in weights.items():
        scores += weight * scale(parts[name])
    return scores


def _product(weights: Mapping[str, float], parts: Mapping[str, Scores]) -> Scores:
    scores = np.ones(len(next(iter(parts.values()))))
    for name, weight in weights.items():
        if (parts[name] < 0).any():
            raise SettingError(f'measure {name!r} gives scores below 0, which "product" cannot join; use "rank"')
        scores *= parts[name] ** weight
    return scores


JOINS: dict[str, Callable[[Mapping[str, float], Mapping[str, Scores]], Scores]] = {
    "rank": _mean_rank,
    "quantile": _mean_quantile,
    "product": _product,
}


def _relative_ranks(scores: Scores) -> Scores:
    from scipy.stats import rankdata

    if len(scores) < 2:
        return np.full(len(scores), 0.5)
    ranks: Scores = (rankdata(scores) - 1) / (len(scores) - 1)
    return ranks


def _between_quantiles(scores: Scores) -> Scores:
    """Zeros where all are equal; the whole range where a few differ from all others."""
    if not len(scores):
        return scores
    low, high = np.quantile(scores, [LOW, HIGH])
    if high == low:
        low, high = scores.min(), scores.max()
    return (scores - low) / (high - low) if high > low else np.zeros(len(scores))
