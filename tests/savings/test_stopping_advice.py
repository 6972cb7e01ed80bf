"""Advice to stop, and that it is only advice unless the settings say so."""

from __future__ import annotations

import numpy as np
import pytest

from querist.stages.evaluation.advice import flat, same_predictions, stable, uninformative

LABELS = [100, 200, 300, 400, 500, 600]


def test_a_curve_at_its_end_is_flat_and_a_rising_one_is_not():
    assert flat(LABELS, [0.5, 0.8, 0.801, 0.8, 0.801, 0.8], 0.02).stop
    assert not flat(LABELS, [0.5, 0.7, 0.75, 0.78, 0.8, 0.81], 0.02).stop


def test_a_sure_gain_that_no_holdout_could_show_is_flat():
    assert flat(LABELS, [0.8, 0.8001, 0.8002, 0.8003, 0.8004, 0.8005], 0.02).stop
    assert not flat(LABELS, [0.8, 0.802, 0.804, 0.806, 0.808, 0.81], 0.02).stop


def test_noise_alone_is_no_proof_that_a_curve_is_flat():
    assert not flat(LABELS, [0.5, 0.74, 0.81, 0.76, 0.83, 0.78], 0.02).stop, "it may rise by more than can be measured"


def test_flatness_needs_five_rounds_and_an_interval():
    assert "not told" in flat(LABELS[:4], [0.8] * 4, 0.02).reason
    assert not flat(LABELS, [0.8] * 6, None).stop


def test_kappa_of_two_models_is_that_of_cohen():
    first, second = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    assert same_predictions(first, first, 2) == 1.0
    assert same_predictions(first, second, 2) == pytest.approx(0.5), "raw 3/4, chance 1/2"
    assert same_predictions(np.zeros(4, int), np.zeros(4, int), 2) == 1.0, "both know one class alone"


def test_predictions_are_stable_when_three_pairs_of_models_agree():
    assert stable([0.5, 0.99, 0.995, 1.0]).stop
    assert not stable([0.995, 0.98, 0.995]).stop
    assert not stable([1.0, 1.0]).stop


def test_nothing_is_left_to_learn_when_the_model_is_sure_of_what_it_asks():
    sure, torn = np.full(40, 0.97), np.full(40, 0.55)
    assert uninformative([torn, sure, sure]).stop
    assert not uninformative([sure, torn]).stop
    assert not uninformative([sure]).stop
    assert not uninformative([sure, np.r_[sure, torn[:3]]]).stop, "3 of 43 are more than 5 %"
