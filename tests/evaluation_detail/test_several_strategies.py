"""Strategies against random: the words "better" and "worse" are said of no more than the promised share of chance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from querist.stages.evaluation.comparison import against_random, compare, paired

SAID = ("better than random", "worse than random")


def runs(curves: dict[str, np.ndarray]) -> list[dict]:
    """One run for each row of (repeats, points)."""
    return [
        {"strategy": name, "repeat": repeat, "labels": [10, 20, 30], "metrics": {"accuracy": values.tolist()}}
        for name, rows in curves.items()
        for repeat, values in enumerate(rows)
    ]


def drawn_at_random(rng: np.random.Generator, strategies: int, repeats: int) -> dict[str, np.ndarray]:
    """Arms that all draw at random: the seed set of a repeat moves all of them alike, the draws each of them."""
    seed_set = rng.normal(0.7, 0.03, size=(repeats, 1))
    names = ["random", *(f"arm {n}" for n in range(strategies))]
    return {name: seed_set + rng.normal(0, 0.02, size=(repeats, 3)) for name in names}


@pytest.mark.parametrize("repeats", [3, 5, 10])
def test_of_two_random_arms_one_is_called_better_or_worse_5_times_of_100(repeats: int) -> None:
    rng = np.random.default_rng(repeats)
    said = 0
    for _ in range(1000):
        found = compare(runs(drawn_at_random(rng, 1, repeats)), {})["arm 0"]["metrics"]["accuracy"]["against_random"]
        said += found["verdict"].startswith(SAID)
    assert said / 1000 == pytest.approx(0.05, abs=0.02)  # 2.9 standard errors of 1,000 trials


def test_of_five_random_arms_any_is_called_better_or_worse_at_most_5_times_of_100() -> None:
    rng = np.random.default_rng(0)
    said = uncorrected = 0
    for _ in range(500):
        summary = compare(runs(drawn_at_random(rng, 5, 4)), {})
        found = [s["metrics"]["accuracy"]["against_random"] for n, s in summary.items() if n != "random"]
        said += any(one["verdict"].startswith(SAID) for one in found)
        uncorrected += any(one["p"] < 0.05 for one in found)
    assert said / 500 < 0.05 + 0.02
    assert uncorrected / 500 > 0.1, "without Holm's correction it would be far more"


def test_a_real_difference_is_still_found_among_five() -> None:
    rng = np.random.default_rng(0)
    found = drawn_at_random(rng, 5, 5)
    found["arm 3"] += 0.1
    summary = compare(runs(found), {})
    verdicts = {name: s["metrics"]["accuracy"].get("against_random", {}).get("verdict") for name, s in summary.items()}
    assert verdicts["arm 3"].startswith("better than random")
    assert "after Holm's correction for 5 strategies" in verdicts["arm 3"]


def test_p_is_that_of_scipy_and_p_holm_counts_the_strategies() -> None:
    rng = np.random.default_rng(1)
    differences = [rng.normal(0.02 * n, 0.03, size=8) for n in range(3)]
    found = against_random(differences, 0.95)
    for one, values in zip(found, differences, strict=True):
        assert one["p"] == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
        assert one["wilcoxon_p"] == pytest.approx(stats.wilcoxon(values).pvalue)
        assert one["effect"]["low"] < one["effect"]["value"] < one["effect"]["high"]
    least = min(one["p"] for one in found)
    assert min(one["p_holm"] for one in found) == pytest.approx(min(3 * least, 1))


def test_what_a_correction_takes_away_is_called_noise() -> None:
    """p = 0.03 would do alone, and does not among five."""
    close = stats.t.isf(0.015, 9) / np.sqrt(10) * 0.1
    values = np.tile([-1.0, 1.0], 5)
    differences = values / values.std(ddof=1) * 0.1 + close
    alone, among = paired(differences, 0.95), against_random([differences, *np.tile(values, (4, 1))], 0.95)[0]
    assert alone["p"] == pytest.approx(0.03)
    assert alone["verdict"].startswith("better than random")
    assert among["p_holm"] == pytest.approx(0.15)
    assert among["verdict"].startswith("no difference from random beyond noise")


def test_wilcoxons_p_needs_six_pairs_and_the_effect_three() -> None:
    found = paired(np.array([0.1, 0.12, 0.13]), 0.95)
    assert found["wilcoxon_p"] is None
    assert found["effect"]["value"] > 1
    assert paired(np.array([0.1, 0.12]), 0.95)["effect"] is None


def test_repeats_without_any_difference_are_no_evidence() -> None:
    assert paired(np.zeros(5), 0.95)["verdict"].startswith("no difference")
    assert "one observation" in paired(np.full(5, 0.1), 0.95)["verdict"]
    assert paired(np.array([0.1, np.nan, 0.2]), 0.95)["verdict"] == "undefined on this holdout"


def test_a_strategy_that_cannot_be_tested_does_not_count_as_one_more_test() -> None:
    real = np.array([0.1, 0.12, 0.13, 0.09])
    found = against_random([real, np.full(4, np.nan)], 0.95)
    assert found[0]["p_holm"] == found[0]["p"]
    assert found[1]["p_holm"] is None
