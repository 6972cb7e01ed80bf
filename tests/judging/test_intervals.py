from __future__ import annotations

import numpy as np
import pytest

from querist.core.errors import UnknownName
from querist.stages.evaluation import intervals
from querist.stages.evaluation.intervals import bootstrap, per_class
from querist.stages.evaluation.metrics import OF_CONFUSION, OF_ITEMS, measure

CLASSES = ["a", "b", "c"]
METRICS = [*OF_CONFUSION, *OF_ITEMS, "f1:b", "recall:c", "precision:a"]


def answers(n, seed=0, skill=2.0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, 3))
    y = rng.integers(3, size=n)
    logits[np.arange(n), y] += skill
    odds = np.exp(logits)
    return y, odds / odds.sum(axis=1, keepdims=True)


def interval(name, y, proba, *, seed=0, resamples=300, confidence=0.95, classes=CLASSES):
    rng = np.random.default_rng(seed)
    return bootstrap(name, y, proba, classes, confidence=confidence, resamples=resamples, rng=rng)


@pytest.mark.parametrize("name", METRICS)
def test_an_interval_holds_the_value_and_narrows_with_more_items(name):
    widths = []
    for n in (60, 6000):
        value, low, high = interval(name, *answers(n))
        assert value == pytest.approx(measure(name, *answers(n), CLASSES))
        assert low <= value <= high
        widths.append(high - low)
    assert widths[1] < widths[0] / 3  # a hundred times the items should give a tenth; 60 items may be lucky


@pytest.mark.parametrize("name", ["macro_f1", "roc_auc"])
def test_the_same_seed_gives_the_same_interval(name):
    assert interval(name, *answers(50), seed=3) == interval(name, *answers(50), seed=3)
    assert interval(name, *answers(50), seed=3) != interval(name, *answers(50), seed=4)


@pytest.mark.parametrize("name", ["macro_f1", "log_loss"])
def test_more_confidence_means_a_wider_interval(name):
    _, low, high = interval(name, *answers(200), confidence=0.8)
    _, lower, higher = interval(name, *answers(200), confidence=0.99)
    assert lower < low < high < higher


def test_a_holdout_without_an_error_is_no_proof_of_perfection():
    y = np.arange(10) % 2
    value, low, high = interval("accuracy", y, np.eye(2)[y], classes=["n", "p"], resamples=2000)
    assert (value, high) == (1.0, 1.0)
    assert low < 0.95


def test_an_undefined_metric_has_an_undefined_interval():
    assert np.isnan(interval("roc_auc", np.zeros(4, dtype=int), np.full((4, 3), 1 / 3))).all()


def test_blocks_do_not_change_how_many_resamples_count(monkeypatch):
    monkeypatch.setattr(intervals, "BLOCK_WEIGHTS", 100)
    for name in ("macro_f1", "log_loss"):
        value, low, high = interval(name, *answers(40))
        assert low < value < high


def test_an_unknown_metric_is_refused():
    with pytest.raises(UnknownName):
        interval("acuracy", *answers(5))


def test_the_normal_interval_of_accuracy_is_found_again():
    y, proba = answers(2000)
    value, low, high = interval("accuracy", y, proba, resamples=4000)
    half = 1.96 * np.sqrt(value * (1 - value) / 2000)
    assert (low, high) == (pytest.approx(value - half, abs=0.002), pytest.approx(value + half, abs=0.002))


def test_each_class_has_its_row():
    y = np.array([0, 0, 1])
    proba = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.1, 0.9, 0.0]])
    assert per_class(y, proba, CLASSES) == [
        {"class": "a", "precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2},
        {"class": "b", "precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1},
        {"class": "c", "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0},
    ]


@pytest.mark.long
@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "mcc", "roc_auc"])
@pytest.mark.parametrize("n", [100, 400])
def test_95_percent_intervals_hold_the_truth_about_95_times_of_100(name, n):
    truth = measure(name, *answers(200_000, seed=999), CLASSES)
    drawn = (interval(name, *answers(n, seed=s), seed=s + 5000) for s in range(400))
    held = np.mean([low <= truth <= high for _, low, high in drawn])
    assert 0.9 < held < 0.98  # 0.93 is usual for percentile intervals of 100 items; 400 trials are good to 0.013


@pytest.mark.long
def test_a_nearly_perfect_model_on_a_small_holdout_is_not_taken_for_perfect():
    rng, held = np.random.default_rng(0), []
    for s in range(300):
        y = rng.integers(3, size=50)
        predicted = np.where(rng.random(50) < 0.01, (y + 1) % 3, y)
        _, low, high = interval("macro_f1", y, np.eye(3)[predicted], seed=s + 5000)
        held.append(low <= 0.99 <= high)
    assert np.mean(held) > 0.9


def confident(n: int, seed: int, sure: float) -> tuple[np.ndarray, np.ndarray]:
    """Two classes, which a model of this sureness seldom mixes up, and then at a high price."""
    rng = np.random.default_rng(seed)
    y, odds = rng.integers(2, size=n), np.exp(sure * (sure + np.sqrt(2) * rng.normal(size=n)))
    right = odds / (1 + odds)
    return y, np.where(np.eye(2)[y] == 1, right[:, None], 1 - right[:, None])


@pytest.mark.parametrize(("sure", "n"), [(3, 100), (3, 1000), (4, 300), (4, 1000)])
def test_losses_with_a_long_tail_have_their_mean_below_the_upper_bound_nearly_always(sure, n):
    truth = measure("log_loss", *confident(1_000_000, 99, sure), ["a", "b"])
    drawn = [interval("log_loss", *confident(n, s, sure), classes=["a", "b"]) for s in range(300)]
    assert np.mean([truth > high for _, _, high in drawn]) <= 0.03
    assert np.mean([truth < low for _, low, _ in drawn]) <= 0.05


def test_a_holdout_that_costs_nothing_is_no_proof_that_the_next_item_does_not():
    y = np.arange(300) % 2
    value, low, high = interval("log_loss", y, np.eye(2)[y], classes=["n", "p"])
    assert (value, low) == (0, 0)
    assert high == pytest.approx(3 * np.log(301) / 300, rel=0.02)  # the rule of three, with a loss of log(n + 1) each
