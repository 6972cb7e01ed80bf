"""Labels that random sampling would have needed, on curves that are known."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import stdtrit
from scipy.stats import binomtest

from querist.stages.evaluation.bounded import Bounded
from querist.stages.evaluation.metrics import items_behind
from querist.stages.evaluation.runs import leaning
from querist.stages.evaluation.savings import (
    Baseline,
    Needed,
    band,
    extrapolate,
    judge,
    labels_needed,
    labels_saved,
    share_saved,
    whole,
)

LABELS = 50.0 * np.arange(1, 21)


def power_law(labels, a=0.9, d=0.3, c=0.6):
    return a - d * (np.asarray(labels) / 50) ** -c


def runs(rng, n_runs, *, noise=0.01, follow=0.7, curve=power_law):
    """Curves whose noise follows that of the point before, as those of growing training sets do."""
    off = rng.normal(size=(n_runs, len(LABELS)))
    for point in range(1, len(LABELS)):
        off[:, point] = follow * off[:, point - 1] + np.sqrt(1 - follow**2) * off[:, point]
    return curve(LABELS) + noise * off


def exact(curve, n_runs=3):
    return Baseline(LABELS, np.tile(curve, (n_runs, 1)), LABELS[-1])


def test_a_straight_baseline_is_read_backwards_by_hand():
    random = band(exact(0.5 + LABELS / 4000))
    found = labels_needed(random, 0.64)
    assert [found.value, found.low, found.high] == pytest.approx([560, 560, 560])
    assert judge(random, 0.64, 280).kind == "saved"
    assert share_saved(found, 280).value == pytest.approx(0.5)
    assert labels_saved(found, 280).value == pytest.approx(280)
    assert judge(random, 0.64, 700).kind == "lost"
    assert share_saved(found, 700).value == pytest.approx(-0.25)


def test_a_quality_that_the_baseline_never_reaches_needs_more_than_it_has():
    random = band(exact(0.5 + LABELS / 4000))
    assert labels_needed(random, 0.8) == Needed(None, 1000, None)
    assert judge(random, 0.8, 900).kind == "saved"
    assert judge(random, 0.8, 1200).why == "extrapolated", "nobody knows what random does with 1,200"
    assert judge(random, 0.8, 20).why == "begins"


def test_a_quality_below_the_first_point_needs_at_most_its_labels():
    random = band(Baseline(LABELS[1:], np.tile(0.5 + LABELS[1:] / 4000, (3, 1)), 1000))
    found = judge(random, 0.45, 800)
    assert (found.kind, found.needed) == ("lost", Needed(None, None, 100))
    assert judge(random, 0.45, 100).kind == "no_difference", "it may have needed as many"


@pytest.mark.parametrize("at", [3, 7, 13])
def test_random_against_random_is_no_saving_where_the_curve_dips(at):
    """A dip at 400 labels, as of a recall after a balanced seed set: neither side may be read off the other."""
    rng = np.random.default_rng([9, at])
    said = []
    for _ in range(200):
        curves = runs(rng, 6, curve=lambda n: 0.8 - 0.08 * np.exp(-(((n - 400) / 150) ** 2)))
        said.append(judge(band(Baseline(LABELS, curves[:5], 1000)), curves[5, at], LABELS[at]).kind)
    wrong = said.count("saved") + said.count("lost")
    assert binomtest(wrong, 200, 0.05, alternative="greater").pvalue > 0.01, Counter(said)


def test_random_against_random_is_no_saving_where_the_curve_falls():
    rng = np.random.default_rng(4)
    for at in (1, 10, 18):
        found = [
            judge(band(Baseline(LABELS, curves[:5], 1000)), curves[5, at], LABELS[at])
            for curves in (runs(rng, 6, curve=lambda n: 0.8 - 0.0002 * n) for _ in range(100))
        ]
        assert sum(one.kind in ("saved", "lost") for one in found) <= 11, "100 draws of 5 % exceed 11 once in 200"
        assert sum(one.why == "falls" for one in found) > 90


def test_a_dip_before_both_curves_does_not_matter():
    early = np.where(LABELS <= 200, 0.65 - LABELS / 1000, 0.5 + LABELS / 4000)
    assert judge(band(exact(early)), 0.7, 600).kind == "saved"


@pytest.mark.parametrize("times", [2, 4])
def test_a_curve_that_is_not_a_power_law_makes_no_savings_beyond_its_measured_end(times):
    rng, labels = np.random.default_rng(times), np.unique(np.geomspace(60, 500, 10).round())
    said = []
    for _ in range(15):
        curves = 0.4 + 0.07 * np.log(labels) + rng.normal(0, 0.004, (5, len(labels)))
        random = band(extrapolate(Baseline(labels, curves, 500), 4 * 500 * times, limit=1.0))
        said.append(judge(random, 0.4 + 0.07 * np.log(500 * times) + rng.normal(0, 0.004), 500 * times))
    assert {one.kind for one in said} == {"unknown"}
    assert {one.why for one in said} == {"extrapolated"}


def test_what_is_lost_in_the_measured_part_is_lost_beyond_it():
    random = band(extrapolate(Baseline(LABELS, runs(np.random.default_rng(0), 5), 1000), 4000, limit=1.0))
    assert judge(random, float(power_law(300)), 2000).kind == "lost"


def test_what_an_extrapolated_curve_would_need_is_a_guess_beside_the_least():
    short = LABELS[:10]
    random = band(extrapolate(Baseline(short, np.tile(power_law(short), (3, 1)), 500), 2000, limit=1.0))
    found = judge(random, float(power_law(1500)), 300)
    assert (found.kind, found.needed) == ("saved", Needed(None, 500, None))
    assert found.guess == pytest.approx(1500, rel=0.05)


def test_a_dip_of_the_baseline_does_not_make_the_curve_fall():
    random = band(exact(np.where(LABELS == 500, 0.1, 0.5 + LABELS / 4000)))
    assert (np.diff(random.mean) >= 0).all()


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


@pytest.mark.parametrize("where", ["reached", "curve"])
def test_of_what_is_not_a_number_nothing_is_known(where):
    curves = runs(np.random.default_rng(0), 5)
    if where == "curve":
        curves[1, 3] = np.nan
    found = judge(band(Baseline(LABELS, curves, 1000)), np.nan if where == "reached" else 0.8, 500)
    assert (found.kind, found.why, found.needed) == ("unknown", "undefined", Needed(None, None, None))


def test_runs_that_begin_beyond_what_was_measured_are_refused():
    with pytest.raises(ValueError, match="measured to 40 labels begin at 50"):
        band(Baseline(LABELS, np.zeros((3, 20)), 40))


def test_two_runs_are_too_few():
    with pytest.raises(ValueError, match="2 runs"):
        band(Baseline(LABELS, np.zeros((2, 20)), 1000))


@settings(max_examples=60)
@given(
    a=st.floats(0.7, 0.95),
    d=st.floats(0.1, 0.5),
    c=st.floats(0.3, 1.2),
    factor=st.floats(1.2, 3.0),
    labels=st.integers(100, 300),
)
def test_planted_savings_are_recovered(a, d, c, factor, labels):
    """Active learning that needs 1/factor of the labels, without noise: the factor comes back."""
    random = band(exact(power_law(LABELS, a, d, c)))
    found = labels_needed(random, float(power_law(factor * labels, a, d, c)))
    assert found.value == pytest.approx(factor * labels, rel=0.05)
    assert judge(random, float(power_law(factor * labels, a, d, c)), labels).kind == "saved"


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


def test_half_of_the_labels_is_seen():
    rng = np.random.default_rng(1)
    said = []
    for _ in range(100):
        random = band(Baseline(LABELS, runs(rng, 5, noise=0.003), 1000))
        said.append(judge(random, power_law(600) + rng.normal(0, 0.003), 300).kind)
    assert said.count("saved") >= 95


@pytest.mark.parametrize(("n_runs", "least"), [(3, 30), (10, 90)])
def test_half_of_the_labels_is_seen_on_a_holdout_of_450_items(n_runs, least):
    rng, told = np.random.default_rng(1), 0
    for _ in range(100):
        curves = np.round(450 * runs(rng, n_runs, noise=0.003)) / 450
        random = band(Baseline(LABELS, curves, 1000, bounded=Bounded(0, 1, 450)))
        reached = float(np.round(450 * (power_law(600) + rng.normal(0, 0.003))) / 450)
        told += judge(random, reached, 300).kind == "saved"
    assert told >= least


def test_beyond_its_end_a_baseline_goes_on_as_fitted():
    short = LABELS[:10]
    baseline = Baseline(short, np.tile(power_law(short), (3, 1)), 500, population=1000)
    found = extrapolate(baseline, 2000, limit=1.0)
    assert found.measured_to == 500
    assert found.labels[-1] == pytest.approx(2000)
    assert found.curves[:, -1] == pytest.approx(power_law(2000), abs=1e-3)
    random = band(found)
    assert judge(random, float(np.interp(1500, random.labels, random.mean)), 1500).kind == "unknown", (
        "where nothing was measured, no difference is not said"
    )


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


def test_figures_are_plain_numbers():
    random = band(exact(0.5 + LABELS / 4000))
    json.dumps(vars(labels_needed(random, 0.64)))
