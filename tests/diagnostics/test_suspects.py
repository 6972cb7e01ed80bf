"""Confident learning: which labels look wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from querist.models.learner import ScikitLearner
from querist.pipeline.evaluation.diagnose import out_of_fold
from querist.stages.evaluation.label_errors import Trial, in_words, suspects, thresholds, try_out


def test_a_threshold_is_the_mean_confidence_of_a_class_in_itself() -> None:
    proba = np.array([[0.9, 0.1, 0], [0.5, 0.5, 0], [0.4, 0.6, 0]])
    assert thresholds(np.array([0, 0, 1]), proba) == pytest.approx([0.7, 0.6, np.inf])


def test_who_is_surer_elsewhere_than_usual_there_is_a_suspect() -> None:
    codes = np.array([0, 0, 0, 1, 1, 1])
    p = np.array([0.9, 0.8, 0.1, 0.2, 0.3, 0.45])  # of class 0; thresholds 0.6 and 0.683
    found = suspects(codes, np.stack([p, 1 - p], axis=1))
    assert found.indices.tolist() == [2]
    assert found.suggested.tolist() == [1]
    assert found.scores == pytest.approx([0.9])  # (0.9 - 0.1 + 1) / 2


def test_the_worst_comes_first() -> None:
    codes = np.array([0, 0, 0, 0, 1, 1])
    p = np.array([0.9, 0.9, 0.2, 0.1, 0.3, 0.3])
    assert suspects(codes, np.stack([p, 1 - p], axis=1)).indices.tolist() == [3, 2]


def test_a_class_without_labels_is_never_suggested() -> None:
    found = suspects(np.array([0, 1, 0]), np.array([[0.1, 0.1, 0.8], [0.1, 0.1, 0.8], [0.1, 0.0, 0.9]]))
    assert not (found.suggested == 2).any()


@given(st.data(), st.integers(2, 5), st.integers(2, 30))
def test_suspects_are_some_of_the_items_in_order_and_never_suggest_what_was_given(
    data: st.DataObject, n_classes: int, n: int
) -> None:
    raw = data.draw(arrays.arrays(np.float64, (n, n_classes), elements=st.floats(0.01, 1)))
    codes = data.draw(arrays.arrays(np.int64, n, elements=st.integers(0, n_classes - 1)))
    found = suspects(codes, raw / raw.sum(axis=1, keepdims=True))
    assert len(set(found.indices.tolist())) == len(found.indices)
    assert (found.suggested != codes[found.indices]).all()
    assert (np.diff(found.scores) <= 0).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()


def test_a_trial_finds_all_where_the_model_knows_the_truth_and_none_where_it_believes_the_labels() -> None:
    truth = np.arange(100) % 4
    known = try_out(truth, lambda labels: np.eye(4)[truth] * 0.6 + 0.1, np.random.default_rng(0))
    assert known == Trial(planted=5, found=1.0, first=5, right=1.0)
    believed = try_out(truth, lambda labels: np.eye(4)[labels] * 0.6 + 0.1, np.random.default_rng(0))
    assert believed == Trial(planted=5, found=0.0, first=0, right=0.0)


def test_the_sentence_says_what_suspects_are_worth() -> None:
    found = in_words(161, 825, Trial(planted=41, found=0.6, first=20, right=0.4))
    assert "161 of 825 labels" in found
    assert "60% of these became suspects and made up 40% of the first 20" in found


def test_of_flipped_digits_most_are_found_and_the_first_suspects_are_flipped() -> None:
    from sklearn.datasets import load_digits

    X, truth = load_digits(return_X_y=True)
    X, rng = X / 16, np.random.default_rng(0)
    codes = truth.astype(np.int64)
    flipped = rng.choice(len(codes), len(codes) // 20, replace=False)
    codes[flipped] = (codes[flipped] + rng.integers(1, 10, len(flipped))) % 10

    def fresh() -> ScikitLearner:
        return ScikitLearner("logistic", {}, 10, calibration="none")

    found = suspects(codes, out_of_fold(fresh, X, codes, 10, seed=0))
    right = np.isin(found.indices, flipped)
    assert right[:50].mean() >= 0.9
    assert right.mean() >= 0.8
    assert np.isin(flipped, found.indices).mean() >= 0.7
    assert (found.suggested == truth[found.indices])[right].mean() >= 0.9
