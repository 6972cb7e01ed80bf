from __future__ import annotations

import numpy as np
import pytest

from querist.stages.evaluation import calibration
from querist.stages.evaluation.calibration import brier, ece_limit, expected_calibration_error, warning


def model(n, seed=0, true_power=1.0):
    """Probabilities of two classes and labels drawn from them after raising the odds to a power."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.05, 0.95, size=n)
    odds = (p / (1 - p)) ** true_power
    return (rng.random(n) < odds / (1 + odds)).astype(int), np.c_[1 - p, p]


def test_calibration_error_by_hand():
    # confidences 0.6 0.6 (one right: 0.5) and 0.9 0.9 (both right: 1.0) in two bins
    proba = np.array([[0.6, 0.4], [0.6, 0.4], [0.1, 0.9], [0.1, 0.9]])
    y = np.array([0, 1, 1, 1])
    assert expected_calibration_error(y, proba, bins=2) == pytest.approx((2 * 0.1 + 2 * 0.1) / 4)


def test_calibration_error_of_one_item_is_its_gap():
    assert expected_calibration_error(np.array([0]), np.array([[0.7, 0.3]])) == pytest.approx(0.3)


def test_brier_by_hand_and_at_its_ends():
    assert brier(np.array([0]), np.array([[0.7, 0.2, 0.1]])) == pytest.approx(0.09 + 0.04 + 0.01)
    assert brier(np.array([0]), np.array([[1.0, 0.0]])) == 0.0
    assert brier(np.array([1]), np.array([[1.0, 0.0]])) == 2.0


def test_float32_probabilities_give_the_same():
    y, proba = model(200)
    single = proba.astype(np.float32)
    assert brier(y, single) == pytest.approx(brier(y, proba), abs=1e-6)
    assert expected_calibration_error(y, single) == pytest.approx(expected_calibration_error(y, proba), abs=1e-5)


def test_chance_explains_less_the_more_items_there_are():
    limits = [ece_limit(model(n)[1], 0.95, np.random.default_rng(0)) for n in (50, 500, 5000)]
    assert limits == sorted(limits, reverse=True)
    assert limits[2] < limits[0] / 5


def test_a_calibrated_model_rarely_exceeds_its_limit():
    over = []
    for seed in range(100):
        y, proba = model(300, seed)
        over.append(expected_calibration_error(y, proba) > ece_limit(proba, 0.95, np.random.default_rng(seed)))
    assert np.mean(over) < 0.12


def test_an_overconfident_model_exceeds_its_limit():
    y, proba = model(2000, true_power=0.3)
    assert expected_calibration_error(y, proba) > 2 * ece_limit(proba, 0.95, np.random.default_rng(0))


def test_the_same_seed_gives_the_same_limit():
    proba = model(100)[1]
    assert ece_limit(proba, 0.9, np.random.default_rng(1)) == ece_limit(proba, 0.9, np.random.default_rng(1))


def test_a_warning_needs_more_than_chance_and_more_than_is_tolerated():
    assert warning(0.10, 0.12, 0.05) is None
    assert warning(0.04, 0.01, 0.05) is None
    assert "0.100 (tolerated 0.050, chance explains up to 0.020)" in warning(0.10, 0.02, 0.05)


def test_the_limit_of_many_items_is_the_same_drawn_by_bin_or_by_item(monkeypatch: pytest.MonkeyPatch) -> None:
    proba = model(4000)[1]
    by_bin = ece_limit(proba, 0.95, np.random.default_rng(0))
    monkeypatch.setattr(calibration, "MANY_ITEMS", 10_000)
    by_item = ece_limit(proba, 0.95, np.random.default_rng(0))
    assert by_bin != by_item
    assert by_bin == pytest.approx(by_item, rel=0.05)


def test_copies_of_items_do_not_make_a_calibrated_model_exceed_its_limit() -> None:
    over = {True: 0, False: 0}
    for seed in range(100):
        y, proba = (np.repeat(values, 4, axis=0) for values in model(100, seed))
        error, groups = expected_calibration_error(y, proba), np.repeat(np.arange(100), 4)
        for known in over:
            rng = np.random.default_rng(seed)
            over[known] += error > ece_limit(proba, 0.95, rng, groups=groups if known else None)
    assert over[True] < 12
    assert over[False] > 80


def test_groups_of_one_item_have_the_limit_of_items() -> None:
    proba = model(300)[1]
    found = [ece_limit(proba, 0.95, np.random.default_rng(0), groups=g) for g in (None, np.arange(300))]
    assert found[1] == pytest.approx(found[0], rel=0.05)
