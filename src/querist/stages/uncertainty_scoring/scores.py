"""The scores of a pool by the settings, for items with one label and for items with several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from querist.config.loop import QuerySettings
from querist.core.checks import check_independent
from querist.core.errors import SettingError
from querist.core.label_sets import Members
from querist.core.types import Probabilities, Scores
from querist.stages.uncertainty_scoring import multilabel
from querist.stages.uncertainty_scoring.combine import combine, join, weights_of_classes


def scores_of(
    query: QuerySettings,
    weights: Mapping[str, float],
    proba: Probabilities,
    classes: Sequence[str],
    known: Members | None,
) -> tuple[Scores, dict[str, Scores]]:
    """The (n_items,) scores of the weighted measures, and what each measure says by itself.

    Where items may have several labels, `known` (n_labeled, n_classes) are those of the labeled items; rows of `proba`
    (n_items, n_classes) then do not sum to 1, and measures are those of `multilabel`.
    """
    if known is None:
        class_weights = weights_of_classes(query.class_weights, tuple(classes))
        return combine(weights, proba, combination=query.combination, class_weights=class_weights)
    check_measures(query, weights)
    cardinality = float(known.sum(axis=1).mean()) if len(known) else 0.0
    proba = check_independent(proba)
    parts = {name: multilabel.score(proba, name, over=query.over_labels, cardinality=cardinality) for name in weights}
    return join(weights, parts, combination=query.combination), parts


def check_measures(query: QuerySettings, weights: Mapping[str, object]) -> None:
    """Raises UnknownName or SettingError for what does not go with several labels."""
    for name in weights:
        multilabel.check(name)
    if query.class_weights:
        raise SettingError(
            'query.class_weights weigh the one class of an item, and data.labels is "several"; remove them'
        )
