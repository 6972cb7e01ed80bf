"""Several measures joined into one score."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from querist.core.checks import check_proba, check_scores
from querist.core.errors import SettingError
from querist.core.types import Probabilities, Scores
from querist.plugins import find


def combine(weights: Mapping[str, float], proba: Probabilities) -> tuple[Scores, dict[str, Scores]]:
    """The (n_items,) scores of the weighted measures, and the raw score of each measure by its name.

    Raises ShapeError on bad probabilities, UnknownName on an unknown measure, SettingError on useless weights.
    """
    check_weights(weights)
    proba = check_proba(proba)
    parts = {name: check_scores(find("measures", name)(proba), n_items=len(proba)) for name in weights}
    return join(weights, parts), parts


def join(weights: Mapping[str, float], parts: Mapping[str, Scores]) -> Scores:
    """One measure as it is; several as the weighted mean of their ranks, scaled to 0..1 (equal scores share a rank).

    Ranks make measures of different range and shape comparable. O(n log n) in the pool.
    """
    check_weights(weights)
    if len(weights) == 1:
        return parts[next(iter(weights))]
    total = sum(weights.values())
    scores = np.zeros(len(next(iter(parts.values()))))
    for name, weight in weights.items():
        scores += weight / total * _relative_ranks(parts[name])
    return scores


def check_weights(weights: Mapping[str, float]) -> None:
    if not weights:
        raise SettingError("no measure is named; give at least one, e.g. {margin = 1.0}")
    for name, weight in weights.items():
        if not 0 <= weight < float("inf"):
            raise SettingError(f"the weight of measure {name!r} is {weight}; give a finite number that is not negative")
    if not any(weights.values()):
        raise SettingError(f"all measures have weight 0 ({', '.join(weights)}); give at least one a positive weight")


def _relative_ranks(scores: Scores) -> Scores:
    from scipy.stats import rankdata

    if len(scores) < 2:
        return np.full(len(scores), 0.5)
    ranks: Scores = (rankdata(scores) - 1) / (len(scores) - 1)
    return ranks
