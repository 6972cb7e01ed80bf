from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("statsmodels", reason="the extra test is not installed")
from statsmodels.stats.proportion import proportion_confint

from querist.core.proportion import wilson
from querist.stages.evaluation.calibration import expected_calibration_error
from querist.stages.evaluation.curves import confusion, coverage, reliability

Y = np.array([0, 0, 0, 1])
PROBA = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]])
"""Sure of 0.9, 0.8, 0.6, 0.7; only the third is wrong, and it is the least sure."""


def many(n: int = 1000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Perfectly calibrated: the class is drawn from the probabilities."""
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet([0.4, 0.4, 0.4], size=n)
    return (proba.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1), proba


def test_coverage_of_four_items_by_hand() -> None:
    found = coverage(Y, PROBA)
    assert [p["coverage"] for p in found] == [0.25, 0.5, 0.75, 1.0]
    assert [p["accuracy"] for p in found] == [1.0, 1.0, 1.0, 0.75]
    assert [p["threshold"] for p in found] == [0.9, 0.8, 0.7, 0.6]


def test_each_point_of_coverage_has_the_interval_of_wilson() -> None:
    last = coverage(Y, PROBA)[-1]
    assert (last["low"], last["high"]) == pytest.approx(proportion_confint(3, 4, method="wilson"))


def test_accepting_all_items_is_as_right_as_the_model_and_accepting_the_surest_is_more_so() -> None:
    y, proba = many()
    found = coverage(y, proba)
    assert len(found) == 50
    assert found[-1]["coverage"] == 1.0
    assert found[-1]["accuracy"] == pytest.approx((proba.argmax(axis=1) == y).mean())
    assert found[10]["accuracy"] > found[-1]["accuracy"] + 0.1
    accepted = proba.max(axis=1) >= found[10]["threshold"]
    assert found[10]["coverage"] == accepted.mean()
    assert found[10]["accuracy"] == pytest.approx((proba.argmax(axis=1) == y)[accepted].mean())


def test_items_of_one_confidence_are_accepted_together() -> None:
    found = coverage(np.array([0, 1, 0, 1]), np.array([[0.7, 0.3]] * 4))
    assert [(p["coverage"], p["accuracy"]) for p in found] == [(1.0, 0.5)]


def test_reliability_of_four_items_in_two_bins_by_hand() -> None:
    least, most = reliability(Y, PROBA, bins=2)
    assert (least["low"], least["high"], least["n"], most["n"]) == (0.6, 0.7, 2, 2)
    assert (least["confidence"], least["accuracy"]) == (pytest.approx(0.65), 0.5)
    assert (most["confidence"], most["accuracy"]) == (pytest.approx(0.85), 1.0)


def test_the_bins_are_those_of_the_expected_calibration_error() -> None:
    y, proba = many(seed=3)
    bins = reliability(y, proba)
    assert sum(b["n"] for b in bins) == len(y)
    gaps = [b["n"] * abs(b["accuracy"] - b["confidence"]) for b in bins]
    assert sum(gaps) / len(y) == pytest.approx(expected_calibration_error(y, proba))


def test_a_calibrated_model_lies_within_the_intervals_of_its_bins() -> None:
    bins = [b for seed in range(20) for b in reliability(*many(seed=seed))]
    held = np.mean([b["accuracy_low"] <= b["confidence"] <= b["accuracy_high"] for b in bins])
    assert held == pytest.approx(0.95, abs=0.04)  # three standard errors of 300 bins


def test_confusion_counts_true_classes_in_rows() -> None:
    found = confusion(Y, PROBA, ["no", "yes"])
    assert found == {"classes": ["no", "yes"], "counts": [[2, 1], [0, 1]]}


def test_everything_is_plain_json_for_one_item_too() -> None:
    one = np.array([[0.4, 0.6]], dtype=np.float32)
    json.dumps([reliability(np.array([1]), one), coverage(np.array([1]), one)], allow_nan=False)
    json.dumps(confusion(np.array([1]), one, ["a", "b"]))


def test_copies_widen_the_intervals_to_those_of_one_of_each_and_change_nothing_else() -> None:
    single = many(200)
    five_times = [np.repeat(values, 5, axis=0) for values in single]
    for curve in (reliability, coverage):
        once, copies = curve(*single), curve(*five_times, groups=np.arange(1000) // 5)
        assert len(once) == len(copies)
        for one, five in zip(once, copies, strict=True):
            assert {**five, "n": 0} == pytest.approx({**one, "n": 0})


def test_one_large_group_tells_hardly_more_than_one_item() -> None:
    y, proba = many(40)
    (one,) = reliability(y, proba, bins=1, groups=np.zeros(40, dtype=int))
    assert (one["accuracy_low"], one["accuracy_high"]) == pytest.approx(wilson(one["accuracy"], 1))
    last = coverage(y, proba, groups=np.append(np.zeros(30, dtype=int), np.arange(1, 11)))[-1]
    assert (last["low"], last["high"]) == pytest.approx(wilson(last["accuracy"], 40**2 / (30**2 + 10)))
