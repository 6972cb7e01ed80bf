from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

pytest.importorskip("statsmodels", reason="the extra test is not installed")
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from querist.core.errors import QueristError
from querist.stages.evaluation.significance import cohens_dz, holm, mcnemar, paired_t, signed_rank

DIFFERENCES = np.array([0.02, -0.01, 0.05, 0.03, 0.04, 0.00, 0.01, 0.06])


def hits(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    """Two models that both get `both` items right, one alone `first`, the other alone `second`."""
    right = [True] * (both + first) + [False] * (second + neither)
    other = [True] * both + [False] * first + [True] * second + [False] * neither
    return np.array(right), np.array(other)


def test_the_paired_t_test_is_that_of_scipy() -> None:
    found, expected = paired_t(DIFFERENCES), stats.ttest_1samp(DIFFERENCES, 0)
    assert (found.statistic, found.p) == (pytest.approx(expected.statistic), pytest.approx(expected.pvalue))
    assert found.pairs == 8


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=20))
def test_the_paired_t_test_is_that_of_scipy_for_any_differences(values: list[float]) -> None:
    differences = np.array(values)
    if np.ptp(differences) < 1e-6:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy on what nearly cancels
        expected = stats.ttest_1samp(differences, 0).pvalue
    assert paired_t(differences).p == pytest.approx(expected, abs=1e-9)


def test_repeats_that_overlap_count_for_less() -> None:
    """Ten-fold with a tenth held out: the variance is (1/n + 1/9) of the spread's square instead of 1/n."""
    plain, corrected = paired_t(DIFFERENCES), paired_t(DIFFERENCES, test_share=1 / 9)
    assert corrected.statistic == pytest.approx(plain.statistic * np.sqrt((1 / 8) / (1 / 8 + 1 / 9)))
    assert corrected.p == pytest.approx(2 * stats.t.sf(corrected.statistic, 7))
    assert corrected.p > plain.p
    assert "overlap" in corrected.assumes


def test_wilcoxons_test_is_that_of_scipy_and_leaves_zeros_out() -> None:
    found = signed_rank(DIFFERENCES)
    expected = stats.wilcoxon(DIFFERENCES[DIFFERENCES != 0])
    assert (found.statistic, found.p) == (expected.statistic, expected.pvalue)
    assert found.pairs == 7


@pytest.mark.parametrize(("first", "second"), [(5, 1), (12, 12), (0, 9), (3, 21), (0, 0), (24, 0)])
def test_few_discordant_pairs_have_the_exact_binomial_p_of_statsmodels(first: int, second: int) -> None:
    found = mcnemar(*hits(40, first, second, 7))
    expected = statsmodels_mcnemar([[40, first], [second, 7]], exact=True)
    assert found.p == pytest.approx(expected.pvalue)
    assert "exact" in found.test


@pytest.mark.parametrize(("first", "second"), [(25, 0), (30, 14), (100, 90), (40, 40)])
def test_many_discordant_pairs_have_the_corrected_chi_squared_of_statsmodels(first: int, second: int) -> None:
    found = mcnemar(*hits(40, first, second, 7))
    expected = statsmodels_mcnemar([[40, first], [second, 7]], exact=False, correction=True)
    assert (found.statistic, found.p) == (pytest.approx(expected.statistic), pytest.approx(expected.pvalue))


def test_mcnemar_of_six_to_nothing_by_hand() -> None:
    assert mcnemar(*hits(0, 6, 0, 0)).p == pytest.approx(2 / 2**6)


@settings(max_examples=10)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holms_correction_is_that_of_statsmodels(p: list[float]) -> None:
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-12)


def test_holm_by_hand() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_effect_is_the_mean_in_standard_deviations_and_its_interval_that_of_the_noncentral_t() -> None:
    found = cohens_dz(DIFFERENCES)
    statistic = paired_t(DIFFERENCES).statistic
    assert found.value == pytest.approx(DIFFERENCES.mean() / DIFFERENCES.std(ddof=1))
    assert stats.nct.sf(statistic, 7, found.low * np.sqrt(8)) == pytest.approx(0.025, abs=1e-4)
    assert stats.nct.cdf(statistic, 7, found.high * np.sqrt(8)) == pytest.approx(0.025, abs=1e-4)


@pytest.mark.parametrize("truth", [0.0, 0.8, 3.0])
def test_the_interval_of_the_effect_holds_the_truth_95_times_of_100(truth: float) -> None:
    rng = np.random.default_rng(0)
    drawn = (cohens_dz(values) for values in rng.normal(truth, 1, size=(2000, 6)))
    held = np.mean([found.low <= truth <= found.high for found in drawn])
    assert held == pytest.approx(0.95, abs=0.015)  # three standard errors of 2,000 trials


def test_an_effect_beyond_doubt_has_an_interval_that_goes_on_smoothly() -> None:
    almost, beyond = (cohens_dz(np.array([1.0, 1.0 + gap, 1.0 - gap])) for gap in (1.002 / 577, 0.998 / 577))
    assert (beyond.low, beyond.high) == pytest.approx((almost.low, almost.high), rel=0.01)
    assert cohens_dz(np.array([1.0, 1.0 + 1e-9, 1.0 - 1e-9])).low > 1e8


def test_an_effect_the_other_way_has_the_mirrored_interval() -> None:
    found, mirrored = cohens_dz(DIFFERENCES), cohens_dz(-DIFFERENCES)
    assert (mirrored.value, mirrored.low, mirrored.high) == pytest.approx((-found.value, -found.high, -found.low))


@pytest.mark.parametrize(
    ("test", "few", "least"),
    [
        (paired_t, np.array([0.1, 0.2]), "at least 3 pairs, got 2"),
        (cohens_dz, np.array([0.1, 0.2]), "at least 3 pairs, got 2"),
        (signed_rank, np.array([0.1, 0.2, 0.0, 0.3, 0.4, 0.5]), "at least 6 pairs that differ, got 5"),
        (lambda d: mcnemar(d > 0, d < 0), np.arange(5), "at least 6 items, got 5"),
    ],
)
def test_too_few_pairs_are_refused_with_the_least_number_and_the_remedy(test, few, least) -> None:
    with pytest.raises(QueristError, match=f"{least}; (run|label) more"):
        test(few)


def test_equal_differences_are_one_observation() -> None:
    with pytest.raises(QueristError, match="one observation"):
        paired_t(np.full(4, 0.1))
    assert paired_t(np.zeros(4)).p == 1.0


def test_a_difference_that_is_no_number_is_refused() -> None:
    with pytest.raises(QueristError, match="finite"):
        paired_t(np.array([0.1, np.nan, 0.2]))
    with pytest.raises(QueristError, match="same items"):
        mcnemar(np.ones(6, dtype=bool), np.ones(7, dtype=bool))


def test_each_test_says_in_a_sentence_what_it_assumes() -> None:
    said = [paired_t(DIFFERENCES), paired_t(DIFFERENCES, test_share=0.25), signed_rank(DIFFERENCES)]
    said.append(mcnemar(*hits(9, 9, 3, 9)))
    assert len({found.assumes for found in said}) == 4
    assert all("independent" in found.assumes or "normally" in found.assumes for found in said)
