from __future__ import annotations

from math import log

import numpy as np
import pytest

import querist
from querist.core import checks
from querist.core.errors import SettingError, ShapeError, UnknownName
from querist.stages.uncertainty_scoring.multilabel import OF_COUNTS, OF_ITEMS, OF_LABELS

PROBA = np.array([[0.5, 0.9, 0.1], [1.0, 0.0, 0.0]])
MEASURES = [*OF_LABELS, *OF_ITEMS, *OF_COUNTS]


def score(measure, **settings):
    return querist.score_multilabel(PROBA, measure=measure, **settings)


@pytest.mark.parametrize(
    ("measure", "over", "expected"),
    [
        ("margin", "mean", [(1.0 + 0.2 + 0.2) / 3, 0.0]),
        ("margin", "max", [1.0, 0.0]),
        ("least_confidence", "mean", [0.7 / 3, 0.0]),
        ("entropy", "max", [log(2), 0.0]),
        ("score", "mean", [0.0, -1 / 3]),
        ("score", "max", [0.8, 1.0]),
    ],
)
def test_measures_of_single_labels_by_hand(measure, over, expected):
    assert score(measure, over=over) == pytest.approx(expected)


def test_max_loss_by_hand():
    # f = 0, .8, -.8 and the likeliest label is the second: (1 + 0) + (1 - .8) + (1 - .8)
    assert score("max_loss") == pytest.approx([1.4, 0.0])


def test_mean_max_loss_is_the_mean_over_the_only_label():
    f = 2 * PROBA - 1
    plain = [np.mean([sum(1 - (1 if j == only else -1) * row[j] for j in range(3)) for only in range(3)]) for row in f]
    assert score("mean_max_loss") == pytest.approx(plain)


def test_mmc_expects_as_many_labels_as_the_probabilities_sum_to():
    # 1.5 labels are expected, rounded to 2: the second and the first; (1 - .8 + 1 - 0 + 1 - .8) / 2
    assert score("mmc") == pytest.approx([0.7, 0.0])


def test_an_unusual_number_of_labels_is_inconsistent():
    assert score("cardinality", cardinality=2.0).tolist() == [1.0, 1.0]
    assert score("cardinality", cardinality=1.0).tolist() == [0.0, 0.0]


def test_adaptive_multiplies_a_small_gap_with_an_unusual_number():
    gap = 0.8 - (0 - 0.8) / 2
    assert score("adaptive", cardinality=2.0) == pytest.approx([(1 / gap) ** 0.5, (1 / 2) ** 0.5])


def test_modal_gives_the_same_max_loss_on_sure_predictions():
    multilabel = pytest.importorskip("modAL.multilabel")
    proba = np.random.default_rng(0).integers(0, 2, size=(20, 4)).astype(float)

    class Classifier:
        classes_ = range(4)

        def predict(self, X):
            return X

    theirs = multilabel._SVM_loss(Classifier(), proba, most_certain_classes=proba.argmax(axis=1))
    assert querist.score_multilabel(proba, measure="max_loss") == pytest.approx(theirs)


def test_the_least_confident_item_comes_first_and_not_the_surest_no():
    """A library ranks by the smallest probability: a label that is surely absent would be asked."""
    proba = np.array([[0.01, 0.99], [0.5, 0.6]])
    assert querist.score_multilabel(proba, measure="margin", over="max").argmax() == 1


@pytest.mark.parametrize("measure", MEASURES)
def test_probabilities_of_zero_and_one_give_finite_scores(measure):
    proba = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.5, 0.5]])
    assert np.isfinite(querist.score_multilabel(proba, measure=measure, cardinality=1.0)).all()


@pytest.mark.parametrize("measure", MEASURES)
def test_one_label_is_enough(measure):
    assert querist.score_multilabel([[0.2], [0.5]], measure=measure, cardinality=1.0).shape == (2,)


@pytest.mark.parametrize("measure", MEASURES)
def test_blocks_of_items_do_not_show(measure, monkeypatch):
    proba = np.random.default_rng(0).random((23, 3))
    whole = querist.score_multilabel(proba, measure=measure, cardinality=1.0)
    monkeypatch.setattr(checks.blocks, "__defaults__", (4,))
    assert np.array_equal(querist.score_multilabel(proba, measure=measure, cardinality=1.0), whole)


def test_what_is_missing_or_unknown_is_named():
    with pytest.raises(SettingError, match="'adaptive' needs cardinality"):
        score("adaptive")
    with pytest.raises(UnknownName, match="mean_max_loss"):
        score("mean_max")
    with pytest.raises(UnknownName, match="max, mean"):
        score("margin", over="sum")


@pytest.mark.parametrize("proba", [[[0.5, 1.5]], [[0.5, float("nan")]], [0.5, 0.5], [[-0.1]]])
def test_probabilities_outside_zero_to_one_are_refused(proba):
    with pytest.raises(ShapeError):
        querist.score_multilabel(proba)
