"""Intervals hold the truth as often as they say, for items that stand alone and for items that come in groups."""

from __future__ import annotations

import numpy as np
import pytest

from querist.stages.evaluation.intervals import bootstrap, class_intervals, per_class
from querist.stages.evaluation.metrics import measure

CLASSES = ["a", "b", "c"]
TOLERANCE = 0.03
"""About 2.4 standard errors of 300 trials, and what a bootstrap of 300 items misses by itself."""


def answers(n: int, seed: int, size: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """n items of three classes in groups of `size` that share class and most of their score."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n // size), size)
    y = np.repeat(rng.choice(3, size=n // size, p=[0.5, 0.3, 0.2]), size)
    logits = np.repeat(rng.normal(size=(n // size, 3)), size, axis=0) + 0.3 * rng.normal(size=(n, 3))
    logits[np.arange(n), y] += 1.5
    odds = np.exp(logits)
    return y, odds / odds.sum(axis=1, keepdims=True), groups


def held(name: str, *, size: int, grouped: bool, trials: int = 300, n: int = 300) -> float:
    truth = measure(name, *answers(200_000, 9999, 1)[:2], CLASSES)
    inside = 0
    for seed in range(trials):
        y, proba, groups = answers(n, seed, size)
        rng = np.random.default_rng(seed)
        _, low, high = bootstrap(
            name, y, proba, CLASSES, confidence=0.95, resamples=300, rng=rng, groups=groups if grouped else None
        )
        inside += low <= truth <= high
    return inside / trials


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "recall:c", "precision:c", "f1:c"])
def test_intervals_of_items_hold_the_truth_95_times_of_100(name: str) -> None:
    assert held(name, size=1, grouped=False) == pytest.approx(0.95, abs=TOLERANCE)


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "recall:b", "f1:b"])
def test_intervals_of_groups_hold_the_truth_95_times_of_100(name: str) -> None:
    assert held(name, size=3, grouped=True) == pytest.approx(0.95, abs=TOLERANCE)


def test_the_interval_of_log_loss_holds_the_truth_95_times_of_100_or_more() -> None:
    for size in (1, 3):
        assert held("log_loss", size=size, grouped=size > 1) > 0.95 - TOLERANCE


def test_items_of_groups_taken_for_independent_would_promise_too_much() -> None:
    assert held("accuracy", size=6, grouped=False) < 0.85


def test_groups_of_one_item_give_the_interval_of_items() -> None:
    y, proba, groups = answers(600, 0)
    for name in ("accuracy", "macro_f1", "f1:b", "log_loss", "roc_auc"):
        found = [
            bootstrap(name, y, proba, CLASSES, confidence=0.95, resamples=4000, rng=np.random.default_rng(0), groups=g)
            for g in (None, groups)
        ]
        assert found[1] == pytest.approx(found[0], abs=0.012)


def test_groups_without_an_error_are_no_proof_of_perfection() -> None:
    """Ten groups of ten items each tell as much as ten items."""
    y, groups = np.arange(100) % 2, np.arange(100) // 10
    _, low, high = bootstrap(
        "accuracy",
        y,
        np.eye(2)[y],
        ["n", "p"],
        confidence=0.95,
        resamples=2000,
        rng=np.random.default_rng(0),
        groups=groups,
    )
    assert high == 1.0
    assert low < 0.95


def test_each_class_has_its_row_with_intervals_around_the_values() -> None:
    y, proba, groups = answers(300, 0, 3)
    rows = class_intervals(
        y, proba, CLASSES, confidence=0.95, resamples=300, rng=np.random.default_rng(0), groups=groups
    )
    for row, plain in zip(rows, per_class(y, proba, CLASSES), strict=True):
        assert plain.items() <= row.items()
        for name in ("precision", "recall", "f1"):
            assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]


def test_the_recall_of_a_class_that_does_not_occur_has_no_interval() -> None:
    y, proba = np.zeros(20, dtype=int), np.tile([0.8, 0.1, 0.1], (20, 1))
    row = class_intervals(y, proba, CLASSES, confidence=0.95, resamples=100, rng=np.random.default_rng(0))[2]
    assert (row["support"], row["recall"]) == (0, 0.0)
    assert np.isnan(row["recall_low"])
