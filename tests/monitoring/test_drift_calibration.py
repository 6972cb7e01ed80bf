"""Thresholds from the reference keep the false alarms that they state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from querist.core.errors import DataError, UnknownName
from querist.stages.monitoring.alarm import Alarm, after
from querist.stages.monitoring.calibrate import Calibration, calibrate, confirm, values_of, window_size
from querist.stages.monitoring.sample import Sample, as_column, unseen_share, vocabulary
from querist.stages.monitoring.views import DEFAULT, views

N_DIMS, N_CLUSTERS = 32, 6
rng_of_the_world = np.random.default_rng(11)
CENTRES = rng_of_the_world.normal(0, 0.4, (N_CLUSTERS, N_DIMS))
MODEL = rng_of_the_world.normal(0, 1, (N_DIMS, 4))


def sample(n: int, rng: np.random.Generator, *, shift: float = 0.0, weights: list[float] | None = None) -> Sample:
    points = CENTRES[rng.choice(N_CLUSTERS, n, p=weights)] + rng.normal(0, 1, (n, N_DIMS)) + shift
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    odds = np.exp(4 * points @ MODEL)
    return Sample((odds / odds.sum(axis=1, keepdims=True)).astype(np.float32), points.astype(np.float32))


def null(*columns: list[float]) -> np.ndarray:
    return np.column_stack(columns)


def test_the_threshold_leaves_the_stated_share_of_draws_above_it() -> None:
    made = Calibration(("a",), ("a",), 50, 0.01, null(list(range(1000))))
    assert (made.null > made.thresholds()["a"]).mean() <= 0.01
    assert made.judge({"a": 998.5}).over == ("a",)
    assert made.judge({"a": 980.0}).over == ()


def test_several_tests_share_one_false_alarm_rate() -> None:
    rng = np.random.default_rng(0)
    made = Calibration(("a", "b", "c"), ("a", "b", "c"), 50, 0.05, rng.normal(size=(2000, 3)))
    over = np.mean([bool(made.judge(dict(zip("abc", row, strict=True))).over) for row in rng.normal(size=(500, 3))])
    assert over == pytest.approx(0.05, abs=0.03)
    assert made.share == pytest.approx(0.05 / 3, abs=0.005), "tests that say unrelated things share the level"
    same = Calibration(("a", "b"), ("a", "b"), 50, 0.05, np.repeat(rng.normal(size=(2000, 1)), 2, axis=1))
    assert same.share == pytest.approx(0.05, abs=0.005), "tests that say the same thing need not share it"


def test_a_test_that_does_not_decide_raises_nothing() -> None:
    made = Calibration(("a", "b"), ("a",), 50, 0.01, null(list(range(500)), list(range(500))))
    judged = made.judge({"a": 10.0, "b": 10_000.0})
    assert judged.over == ()
    assert judged.p["b"] == pytest.approx(1 / 501)
    assert judged.together > 0.9


def test_equal_draws_do_not_raise_the_rate() -> None:
    made = Calibration(("a",), ("a",), 50, 0.01, null([0.0] * 950 + [1.0] * 50))
    assert made.judge({"a": 1.0}).over == ()
    assert made.judge({"a": 1.1}).over == ("a",)


def test_a_class_that_the_reference_happens_not_to_hold_is_no_drift() -> None:
    rng = np.random.default_rng(0)
    surely = np.tile(np.float32([[0.9, 0.1]]), (150, 1))
    reference = Sample(surely, np.zeros((150, 2), dtype=np.float32))
    window = reference.take(np.arange(75))
    tests = views(reference, ("kl_classes",))
    made = calibrate(reference, tests, ("kl_classes",), 75, level=0.01, draws=400, rng=rng)
    for n, drifted in ((2, False), (20, True)):
        window.proba[:n] = [0.1, 0.9]
        values = values_of(reference, window, tests)
        first = made.judge(values)
        assert first.over == ("kl_classes",)
        assert bool(confirm(first, made, reference, window, tests, values, rng).over) == drifted


def test_the_same_generator_gives_the_same_thresholds() -> None:
    reference = sample(600, np.random.default_rng(0))
    tests = views(reference, DEFAULT)
    first, again = (
        calibrate(reference, tests, DEFAULT, 100, level=0.01, draws=400, rng=np.random.default_rng(5)) for _ in range(2)
    )
    assert first.thresholds() == again.thresholds()


def test_larger_windows_have_lower_thresholds() -> None:
    reference = sample(4000, np.random.default_rng(0))
    tests = views(reference, DEFAULT)
    small, large = (
        calibrate(reference, tests, DEFAULT, n, level=0.01, draws=400, rng=np.random.default_rng(5)).thresholds()
        for n in (100, 1000)
    )
    assert all(large[name] < small[name] / 2 for name in DEFAULT)


def test_what_one_test_misses_another_sees() -> None:
    reference = sample(4000, np.random.default_rng(0))
    tests = views(reference, DEFAULT)
    made = calibrate(reference, tests, DEFAULT, 500, level=0.01, rng=np.random.default_rng(5))
    rng = np.random.default_rng(9)
    assert made.judge(values_of(reference, sample(500, rng), tests)).over == ()
    mixed = sample(500, rng, weights=[0.5, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert made.judge(values_of(reference, mixed, tests)).over
    unsure = replace(mixed, proba=np.full_like(mixed.proba, 0.25), embeddings=sample(500, rng).embeddings)
    assert "kl_entropy" in made.judge(values_of(reference, unsure, tests)).over
    assert "mmd" in made.judge(values_of(reference, sample(500, rng, shift=0.4), tests)).over


def test_the_window_itself_is_counted_as_one_more_draw() -> None:
    made = Calibration(("a",), ("a",), 50, 0.01, null(list(range(1000))))
    assert (made.null >= made.thresholds()["a"]).sum() == 9, "and one more of 1,001 are within 1 %"


@pytest.mark.parametrize("draws", [400, 999])
def test_the_stated_rate_holds_whatever_the_number_of_draws(draws: int) -> None:
    """The exact rate is at most 0.05; over 400 x 50 windows its estimate is off by 0.005 (three standard errors)."""
    rng, over = np.random.default_rng(draws), []
    mixed = np.array([[1.0, 0.7, 0.0], [0.0, 0.7, 0.0], [0.0, 0.0, 1.0]])
    for _ in range(400):
        made = Calibration(("a", "b", "c"), ("a", "b", "c"), 50, 0.05, rng.normal(size=(draws, 3)) @ mixed)
        limits = np.array(list(made.thresholds().values()))
        over.append(float((rng.normal(size=(50, 3)) @ mixed > limits).any(axis=1).mean()))
    assert 0.035 < np.mean(over) < 0.05 + 0.005


@pytest.mark.long
@pytest.mark.parametrize("n", [100, 500, 2000])
def test_at_most_one_false_alarm_in_a_hundred_exchangeable_windows(n: int) -> None:
    """1,000 windows of two references: at most 19 over a threshold, which is 1 % and three standard errors."""
    over, alarms = 0, 0
    for seed in range(2):
        rng = np.random.default_rng([seed, n])
        reference, world = sample(6000, rng), sample(12_000, rng)
        tests = views(reference, DEFAULT)
        limits = calibrate(reference, tests, DEFAULT, n, level=0.01, rng=rng).thresholds()
        features = {name: view.features(world) for name, view in tests.items()}
        before = {name: view.features(reference).mean(axis=0, dtype=np.float64) for name, view in tests.items()}
        state = Alarm()
        for _ in range(500):
            at = rng.choice(len(world), n, replace=False)
            exceeded = any(
                view.compare(before[name], features[name][at].mean(axis=0, dtype=np.float64), len(reference), n)
                > limits[name]
                for name, view in tests.items()
            )
            over += exceeded
            state, alarm = after(state, "over" if exceeded else "fine", patience=2, cool_down=0)
            alarms += alarm
            if alarm:
                state = Alarm()
    assert alarms <= 2
    assert over <= 19


def test_neighbours_that_are_alike_need_windows_of_neighbours() -> None:
    rng = np.random.default_rng(3)
    level = np.repeat(rng.normal(0, 1, 60), 50)  # runs of 50 rows share a level
    values = level + rng.normal(0, 0.1, 3000)
    proba = np.full((3000, 2), 0.5, dtype=np.float32)
    stream = Sample(proba, np.zeros((3000, 2), dtype=np.float32), columns={"x": values})
    tests = views(stream, ("columns",))
    alone, runs = (
        calibrate(
            stream, tests, ("columns",), 100, level=0.01, consecutive=c, rng=np.random.default_rng(0)
        ).thresholds()
        for c in (False, True)
    )
    assert runs["columns"] > 2 * alone["columns"]


def test_a_window_is_at_most_half_of_the_reference() -> None:
    assert window_size(500, 2000) == 500
    assert window_size(500, 700) == 350
    with pytest.raises(DataError, match="30 is the least"):
        window_size(500, 50)


def test_columns_of_words_and_missing_numbers_are_compared_too() -> None:
    rng = np.random.default_rng(0)
    plain = sample(1000, rng)
    numbers = rng.normal(size=1000)
    reference = replace(plain, columns={"n": numbers, "w": as_column(["red", None] * 500)})
    tests = views(reference, ("columns",))
    made = calibrate(reference, tests, ("columns",), 100, level=0.01, draws=400, rng=rng)
    window = sample(100, rng)
    same = replace(window, columns={"n": rng.normal(size=100), "w": as_column(["red", None] * 50)})
    gone = replace(same, columns={**same.columns, "n": np.full(100, np.nan)})
    new = replace(same, columns={**same.columns, "w": as_column(["green"] * 100)})
    assert [bool(made.judge(values_of(reference, one, tests)).over) for one in (same, gone, new)] == [False, True, True]


def test_words_never_seen_before_are_counted() -> None:
    known, alone = vocabulary(["a cat", "a dog", "a cat again"])
    assert alone == pytest.approx([0.0, 0.5, 1 / 3])
    assert unseen_share(["a cat", "a horse", ""], known) == pytest.approx([0.0, 0.5, 0.0])


def test_tests_without_their_data_are_left_out_and_unknown_ones_refused() -> None:
    reference = sample(100, np.random.default_rng(0))
    assert "ks_lengths" not in views(reference)
    assert set(DEFAULT) <= set(views(reference))
    with pytest.raises(UnknownName, match="kl_clases"):
        views(reference, ("kl_clases",))
