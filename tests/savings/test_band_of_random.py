"""How far runs of random sampling scatter: the band that holds one more of them at its level."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_curves import LABELS, power_law, runs
from scipy.special import stdtrit
from scipy.stats import binomtest

from querist.stages.evaluation.bounded import Bounded
from querist.stages.evaluation.metrics import items_behind
from querist.stages.evaluation.runs import leaning
from querist.stages.evaluation.savings import (
    Baseline,
    band,
    judge,
    labels_needed,
    whole,
)


def test_who_looks_at_20_rounds_near_a_ceiling_is_told_right_on_the_logit_scale():
    """Each run comes to the ceiling at its own time, and some come late: on the scale of the values, far too many of
    these are called lost."""
    bounded, wrong = Bounded(0, 1, 200), Counter[str]()
    rng = np.random.default_rng(11)
    for _ in range(200):
        late = 2.5 * rng.normal(size=(6, 1)) + 0.3 * rng.normal(size=(6, len(LABELS)))
        curves = np.round(200 / (1 + np.exp(-(LABELS / 300 + 2 + late)))) / 200
        for scale, bounds in (("values", None), ("logits", bounded)):
            random = band(Baseline(LABELS, curves[:5], 1000, bounded=bounds))
            told = {judge(random, value, labels).kind for value, labels in zip(curves[5], LABELS, strict=True)}
            wrong[scale] += bool(told & {"saved", "lost"})
    assert binomtest(wrong["values"], 200, 0.05, alternative="greater").pvalue < 0.01, wrong
    assert binomtest(wrong["logits"], 200, 0.05, alternative="greater").pvalue > 0.01, wrong


def test_runs_that_are_alike_leave_room_for_an_item_of_the_holdout():
    alike = Baseline(LABELS, np.full((3, 20), 0.9), 1000)
    assert judge(band(alike), 0.9 + 1e-12, 500).kind == "no_difference"
    random = band(replace(alike, bounded=Bounded(0, 1, 100)))
    said = [judge(random, value, 500).kind for value in (0.85, 0.88, 0.92, 0.95)]
    assert said == ["lost", "no_difference", "no_difference", "saved"]
    sure = band(replace(alike, curves=np.ones((3, 20)), bounded=Bounded(0, 1, 100)))
    said = [judge(sure, value, 500).kind for value in (0.97, 0.99)]
    assert said == ["lost", "no_difference"], "an item more or less at a bound, too"


def test_few_runs_that_are_alike_count_beside_the_scatter_of_their_items():
    """Three runs at 0.5 of 99 items: by chance their logits vary by 1/50 + 1/50. One degree of freedom of that beside
    the 14 of the runs (seven points that do not follow each other) makes 0.04 / 15, and their mean has a third of it.
    Half an item is added to either side.
    """
    bounded = Bounded(0, 1, 99)
    assert bounded.by_chance(np.zeros(1)) == pytest.approx([0.04])
    found = band(Baseline(LABELS, np.full((3, 20), 0.5), 1000, bounded=bounded))
    edge = float(bounded.values(np.array([stdtrit(14, 0.975) * np.sqrt(0.04 / 15 * 4 / 3)]))[0]) + 0.5 / 99
    assert found.over == pytest.approx(np.full(20, edge))
    assert found.under == pytest.approx(np.full(20, 1 - edge))


def test_runs_that_vary_more_than_their_items_by_chance_vary_as_they_do():
    curves = runs(np.random.default_rng(2), 5, noise=0.03)
    few, many = (band(Baseline(LABELS, curves, 1000, bounded=Bounded(0, 1, n))) for n in (10**5, 10**7))
    assert few.over == pytest.approx(many.over, abs=1e-4)


def test_the_band_is_wider_to_the_side_where_runs_fall_behind():
    """One of five runs at -4, the others at 1: squares of 16 below and 4 above, each twice, to 20 of both."""
    curves = np.array([-4.0, 1, 1, 1, 1])[:, None] + np.zeros(20)
    below, above = leaning(curves, LABELS)
    assert below == pytest.approx(np.full(20, np.sqrt(32 / 20)))
    assert above == pytest.approx(np.ones(20))
    found = band(Baseline(LABELS, curves, 1000))
    assert (found.centre - found.under) / (found.over - found.centre) == pytest.approx(below)


def test_the_items_that_a_metric_rests_on():
    y = np.repeat([0, 1], [171, 9])
    assert [items_behind(name, y, ["a", "b", "none"]) for name in ("accuracy", "recall:b", "f1:none")] == [180, 9, 1]
    assert items_behind("macro_f1", y, ["a", "b", "none"]) == pytest.approx(4 / (1 / 171 + 1 / 9)), "34.2 of 180"
    assert items_behind("macro_f1", np.repeat([0, 1], 50), ["a", "b"]) == pytest.approx(100)
    sets = np.array([[True, True], [True, False], [False, False]])
    assert items_behind("macro_f1", sets, ["a", "b"]) == pytest.approx(4 / (1 / 2 + 1))
    assert items_behind("macro_f1", np.zeros((3, 2), dtype=bool), ["a", "b"]) == 3


def test_the_band_of_a_bounded_metric_ends_an_item_beyond_its_bounds():
    random = whole(band(Baseline(LABELS, np.linspace([0.0] * 20, [1.0] * 20, 5), 1000, bounded=Bounded(0, 1, 50))))
    assert random.under.min() >= -0.02
    assert random.over.max() <= 1.02


@given(st.floats(0, 1), st.integers(1, 10_000))
def test_a_bounded_value_comes_back_from_its_logit(share, n_items):
    for least, largest in ((0.0, 1.0), (-1.0, 1.0), (-1.0, 0.0)):
        bounded = Bounded(least, largest, n_items)
        value = np.array([least + share * (largest - least)])
        assert bounded.values(bounded.logits(value)) == pytest.approx(value, abs=1e-9)
    assert Bounded(0, 1, 9).logits(np.array([0.0, 0.5, 1.0])) == pytest.approx([-np.log(19), 0, np.log(19)])


def test_runs_that_begin_beyond_what_was_measured_are_refused():
    with pytest.raises(ValueError, match="measured to 40 labels begin at 50"):
        band(Baseline(LABELS, np.zeros((3, 20)), 40))


def test_two_runs_are_too_few():
    with pytest.raises(ValueError, match="2 runs"):
        band(Baseline(LABELS, np.zeros((2, 20)), 1000))


@pytest.mark.parametrize("noise", [0.003, 0.01, 0.03])
@pytest.mark.parametrize("n_runs", [3, 10])
def test_the_interval_holds_the_labels_needed_at_its_level(noise, n_runs):
    rng = np.random.default_rng([7, n_runs, int(1000 * noise)])
    held = 0
    for _ in range(200):
        found = labels_needed(
            band(Baseline(LABELS, runs(rng, n_runs, noise=noise), 1000)), power_law(600) + rng.normal(0, noise)
        )
        held += (found.low or 0) <= 600 <= (found.high or np.inf)
    assert held >= 183, "200 draws of 95 % are below 183 once in 150"


@pytest.mark.parametrize("follow", [0.0, 0.7, 0.95])
@pytest.mark.parametrize("n_runs", [3, 5, 10])
def test_random_against_random_is_no_difference_in_95_of_100_cases(n_runs, follow):
    rng = np.random.default_rng([3, n_runs, int(100 * follow)])
    said = []
    for _ in range(300):
        random = band(Baseline(LABELS, runs(rng, n_runs, follow=follow), 1000))
        point = int(rng.integers(3, 20))
        said.append(judge(random, runs(rng, 1, follow=follow)[0, point], LABELS[point]).kind)
    wrong = 300 - said.count("no_difference")
    assert binomtest(wrong, 300, 0.05, alternative="greater").pvalue > 0.01, said


@pytest.mark.parametrize("follow", [0.0, 0.7, 0.95])
@pytest.mark.parametrize("n_runs", [3, 8])
def test_who_looks_at_20_rounds_is_told_of_a_difference_that_is_none_in_5_of_100_cases(n_runs, follow):
    rng = np.random.default_rng([4, n_runs, int(100 * follow)])
    wrong = 0
    for _ in range(150):
        random, project = band(Baseline(LABELS, runs(rng, n_runs, follow=follow), 1000)), runs(rng, 1, follow=follow)[0]
        told = {judge(random, value, labels).kind for value, labels in zip(project, LABELS, strict=True)}
        wrong += bool(told & {"saved", "lost"})
    assert binomtest(wrong, 150, 0.05, alternative="greater").pvalue > 0.01, wrong


def test_the_band_of_a_whole_run_is_bonferronis_at_most_and_that_of_one_look_at_least():
    rng = np.random.default_rng(5)
    free, bound = (band(Baseline(LABELS, runs(rng, 30, follow=follow), 1000)) for follow in (0.0, 0.999))
    wider = [(whole(random).over - random.centre) / (random.over - random.centre) for random in (bound, free)]
    assert np.ptp(wider, axis=1) == pytest.approx(0)
    assert 1 < wider[0][0] < wider[1][0] < 1.7, "t of 1 - 0.05/40 over t of 1 - 0.05/2 is 1.54 to 1.7 here"


def test_runs_that_share_their_labels_are_not_taken_for_independent():
    rng = np.random.default_rng(0)
    curves = runs(rng, 5)
    apart = band(Baseline(LABELS, curves, 1000))
    shared = band(Baseline(LABELS, curves, 1000, population=2000))
    assert (shared.high - shared.low)[-1] > 1.4 * (apart.high - apart.low)[-1]


def test_of_means_of_shared_labels_the_variance_is_that_of_fresh_ones():
    """The correction is exact for means: draws of 100 of 200 numbers, the mean of which itself is a draw."""
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(300):
        numbers = rng.normal(size=200)
        means = np.array([[rng.permutation(numbers)[:100].mean()] for _ in range(10)])
        found = band(Baseline(np.array([100.0]), means, 100, population=200))
        held += found.low[0] <= rng.normal(size=100).mean() <= found.high[0]
    assert binomtest(held, 300, 0.95, alternative="less").pvalue > 0.01
