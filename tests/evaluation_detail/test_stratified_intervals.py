"""Intervals of a holdout that was drawn class by class, and why they are not the default."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from querist.config import Settings
from querist.config.loop import EvaluationSettings
from querist.core.types import Codes, Probabilities
from querist.pipeline.conditions import deciding
from querist.stages.evaluation.intervals import bootstrap, class_intervals, resampled
from querist.stages.evaluation.metrics import measure

CLASSES = ["a", "b", "c"]
COUNTS = (240, 40, 20)
RIGHT = np.array([[0.98, 0.01, 0.01], [0.3, 0.6, 0.1], [0.4, 0.1, 0.5]])
"""What is said of the items of each class: the rare ones are the hard ones."""
HOW: dict[str, Any] = {"classes": CLASSES, "resamples": 100}
TOLERANCE = 0.03
"""About 2.4 standard errors of 300 trials, and what a bootstrap of 300 items misses by itself."""


def said(y: Codes, rng: np.random.Generator) -> Probabilities:
    return np.eye(3)[(rng.random(len(y))[:, None] > RIGHT.cumsum(axis=1)[y]).sum(axis=1)]


def held(name: str, *, drawn_by_class: bool, stratified: bool, trials: int = 300) -> float:
    rng = np.random.default_rng(0)
    many = np.repeat(np.arange(3), np.multiply(COUNTS, 2_000))
    truth, inside = measure(name, many, said(many, rng), CLASSES), 0
    for _ in range(trials):
        y = np.repeat(np.arange(3), COUNTS) if drawn_by_class else rng.choice(3, size=300, p=np.divide(COUNTS, 300))
        _, low, high = bootstrap(
            name, y, said(y, rng), CLASSES, confidence=0.95, resamples=300, rng=rng, stratified=stratified
        )
        inside += low <= truth <= high
    return inside / trials


@pytest.mark.parametrize("name", ["accuracy", "macro_f1"])
def test_of_a_holdout_drawn_class_by_class_they_hold_the_truth_95_times_of_100(name: str) -> None:
    assert held(name, drawn_by_class=True, stratified=True) == pytest.approx(0.95, abs=TOLERANCE)


def test_of_a_holdout_drawn_at_random_they_would_promise_too_much() -> None:
    assert held("accuracy", drawn_by_class=False, stratified=True) < 0.95 - TOLERANCE
    assert held("accuracy", drawn_by_class=False, stratified=False) > 0.95 - TOLERANCE


def test_each_resample_has_as_many_items_of_each_class() -> None:
    """Who says "a" of every item is right as often as there are a, but for the one item yet unseen."""
    y = np.repeat(np.arange(3), COUNTS)
    proba = np.tile([0.8, 0.1, 0.1], (300, 1))
    by_class, plain = (
        resampled("accuracy", y, proba, CLASSES, resamples=400, rng=np.random.default_rng(0), stratified=stratified)
        for stratified in (True, False)
    )
    assert by_class.mean() == pytest.approx(0.8, abs=0.003)
    assert by_class.std() < 0.004 < 0.02 < plain.std()


def test_areas_under_curves_are_drawn_class_by_class_too() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(3), (20, 20, 2))
    odds = rng.random((42, 3)) + np.eye(3)[y] / 2
    proba = odds / odds.sum(axis=1, keepdims=True)
    values = [
        resampled("average_precision", y, proba, CLASSES, resamples=200, rng=np.random.default_rng(0), stratified=by)
        for by in (True, False)
    ]
    assert values[0].std() < values[1].std(), "a class of two items that a resample may lack or double scatters more"


def test_items_in_groups_and_of_several_labels_are_drawn_plainly_all_the_same() -> None:
    rng = np.random.default_rng(0)
    y, groups = rng.integers(3, size=60), np.repeat(np.arange(20), 3)
    several = rng.random((60, 3)) < 0.4
    for truth, proba, of in ((y, said(y, rng), groups), (several, rng.random((60, 3)), None)):
        values, rows = (
            [
                function(truth, proba, stratified=stratified, rng=np.random.default_rng(1), groups=of)
                for stratified in (True, False)
            ]
            for function in (partial(resampled, "accuracy", **HOW), partial(class_intervals, confidence=0.95, **HOW))
        )
        np.testing.assert_array_equal(*values)
        np.testing.assert_equal(*rows)


def test_a_project_that_does_not_say_so_keeps_the_key_of_its_settings() -> None:
    said_so = Settings(evaluation=EvaluationSettings(stratified=True))
    assert "stratified" not in deciding(Settings())["evaluation"]
    assert deciding(said_so)["evaluation"]["stratified"] is True
