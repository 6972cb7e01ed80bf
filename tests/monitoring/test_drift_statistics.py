"""Statistics of drift, by numbers that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from querist.core.selection import stream
from querist.stages.monitoring import statistics as s
from querist.stages.monitoring.domain import domain_classifier, telling_columns, telling_words
from querist.stages.monitoring.quality import check, estimate, expected_confusion

counts = st.lists(st.integers(0, 50), min_size=2, max_size=6)


def test_kl_of_half_and_half_against_three_to_one() -> None:
    # (3.5, 3.5) and (5.5, 1.5) after the pseudo-counts: 0.5 log(3.5/5.5) + 0.5 log(3.5/1.5)
    expected = 0.5 * np.log(3.5 / 5.5) + 0.5 * np.log(3.5 / 1.5)
    assert s.kl(np.array([5, 1]), np.array([3, 3])) == pytest.approx(expected)


@pytest.mark.parametrize("divergence", [s.kl, s.jensen_shannon, s.psi, s.chi_squared])
def test_no_divergence_of_a_sample_from_itself(divergence: object) -> None:
    assert divergence(np.array([7, 2, 1]), np.array([7, 2, 1])) == pytest.approx(0.0)  # type: ignore[operator]


@given(counts, counts)
def test_divergences_are_never_negative_and_psi_is_both_kl_together(a: list[int], b: list[int]) -> None:
    size = min(len(a), len(b))
    p, q = np.array(a[:size]), np.array(b[:size])
    assert s.kl(p, q) >= -1e-12
    assert -1e-12 <= s.jensen_shannon(p, q) <= 1
    assert s.psi(p, q) == pytest.approx(s.kl(p, q) + s.kl(q, p))


def test_chi_squared_is_that_of_scipy_without_empty_bins() -> None:
    table = np.array([[20, 30, 0, 10], [5, 30, 0, 25]])
    expected = stats.chi2_contingency(table[:, [0, 1, 3]], correction=False).statistic
    assert s.chi_squared(table[0], table[1]) == pytest.approx(expected)


def test_statistics_of_counts_broadcast_over_many_windows() -> None:
    windows = np.array([[3, 3], [5, 1], [0, 6]])
    assert s.kl(np.array([5, 1]), windows) == pytest.approx([float(s.kl(np.array([5, 1]), w)) for w in windows])


def test_kolmogorov_smirnov_is_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=50).round(1), rng.normal(0.4, 1, 30).round(1)
    assert s.kolmogorov_smirnov(a, b) == pytest.approx(stats.ks_2samp(a, b).statistic)


def test_mmd_of_two_pairs_by_hand() -> None:
    # kernels: 1 within the equal pair, e^-1 within (0, 1), and between 0.5 (1 + e^-1)
    x, y = np.array([[0.0], [0.0]]), np.array([[0.0], [1.0]])
    e = np.exp(-1)
    assert s.mmd2(x, y, gamma=1.0) == pytest.approx(1 + e - (1 + e))


def test_mmd_in_blocks_is_that_of_one_block(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(70, 3)), rng.normal(0.3, 1, (50, 3))
    whole = s.mmd2(x, y, 0.5)
    monkeypatch.setattr(s, "BLOCK_ROWS", 16)
    assert s.mmd2(x, y, 0.5) == pytest.approx(whole)


def test_mmd_by_random_features_is_near_the_exact_one() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(400, 5)).astype(np.float32)
    y = rng.normal(0.5, 1, (300, 5)).astype(np.float32)
    gamma = s.median_gamma(x, stream(0, "test"))
    frequencies = s.random_features(5, gamma, rng, frequencies=4_000)
    before, now = (s.fourier(rows, frequencies).mean(axis=0, dtype=np.float64) for rows in (x, y))
    assert s.mmd2_of_means(before, now, 400, 300) == pytest.approx(s.mmd2(x, y, gamma), abs=0.005)


def test_the_width_of_a_kernel_on_equal_rows_is_one() -> None:
    assert s.median_gamma(np.ones((10, 2)), np.random.default_rng(0)) == 1.0


def test_a_classifier_cannot_tell_twins_and_scores_the_stranger_highest() -> None:
    rng = np.random.default_rng(3)
    before, same = rng.normal(size=(2, 400, 4))
    alike = domain_classifier(before, same)
    assert abs(alike.auc - 0.5) < alike.by_chance
    moved = same.copy()
    moved[:100, 0] += 6
    found = domain_classifier(before, moved)
    assert found.auc - 0.5 > found.by_chance
    assert found.scores[:100].mean() > found.scores[100:].mean()


def test_the_telling_word_is_the_one_that_came() -> None:
    before = [f"the price of item {i}" for i in range(50)]
    now = [f"the bitcoin price of item {i}" for i in range(50)]
    word, z = telling_words(before, now)[0]
    assert (word, z > 3) == ("bitcoin", True)


def test_the_telling_column_is_the_one_that_moved() -> None:
    rng = np.random.default_rng(4)
    before = {"a": rng.normal(size=200), "b": rng.normal(size=200), "c": np.array(["x", "y"] * 100)}
    now = {"a": rng.normal(size=90), "b": rng.normal(2, 1, 90), "c": np.array(["x", "y"] * 45)}
    assert telling_columns(before, now)[0][0] == "b"


def test_estimated_accuracy_is_the_mean_confidence() -> None:
    proba = np.array([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2]])
    found = estimate(proba)
    assert found.accuracy == pytest.approx((0.9 + 0.6 + 0.8) / 3)
    assert found.low < found.accuracy < found.high
    # predicted 0: two items of which 1.7 are expected to be of it; predicted 1: one, 0.6
    assert expected_confusion(proba) == pytest.approx(np.array([[1.7, 0.4], [0.3, 0.6]]))
    assert found.macro_f1 == pytest.approx((2 * 1.7 / (2.1 + 2.0) + 2 * 0.6 / (0.9 + 1.0)) / 2)


def test_an_estimate_is_said_to_have_been_too_high() -> None:
    assert "was above" in check(0.95, 10, 20).sentence
    assert "agrees with" in check(0.55, 10, 20).sentence
