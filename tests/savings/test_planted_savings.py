"""Labels that random sampling would have needed, on curves that are known."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_curves import LABELS, exact, power_law, runs
from scipy.stats import binomtest

from querist.stages.evaluation.bounded import Bounded
from querist.stages.evaluation.savings import (
    Baseline,
    Needed,
    band,
    extrapolate,
    judge,
    labels_needed,
    labels_saved,
    share_saved,
)


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


@pytest.mark.parametrize("where", ["reached", "curve"])
def test_of_what_is_not_a_number_nothing_is_known(where):
    curves = runs(np.random.default_rng(0), 5)
    if where == "curve":
        curves[1, 3] = np.nan
    found = judge(band(Baseline(LABELS, curves, 1000)), np.nan if where == "reached" else 0.8, 500)
    assert (found.kind, found.why, found.needed) == ("unknown", "undefined", Needed(None, None, None))


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


def test_figures_are_plain_numbers():
    random = band(exact(0.5 + LABELS / 4000))
    json.dumps(vars(labels_needed(random, 0.64)))
