"""The gate, criterion by criterion, and the test behind it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from querist.stages.deploy.abstain import threshold
from querist.stages.deploy.gate import ClassChange, Compared, Decision, decide
from querist.stages.evaluation.metrics import measure
from querist.stages.evaluation.paired import swapped

BETTER = Compared("accuracy", 0.9, 0.8, "r000-a", 200, 0.1, 0.001)
STEADY = [ClassChange("neg", 100, 0.01, 0.0), ClassChange("pos", 100, 0.0, 0.02)]


def judged(
    compared: Compared = BETTER,
    changes: list[ClassChange] = STEADY,
    *,
    ece: float | None = 0.03,
    ece_limit: float | None = 0.02,
    max_class_fall: float = 0.05,
) -> Decision:
    return decide(
        compared, changes, ece=ece, ece_limit=ece_limit, level=0.05, max_class_fall=max_class_fall, tolerance=0.05
    )


def held_by(decision: Decision) -> list[str]:
    assert decision.promote == all(c.passed for c in decision.criteria)
    assert all(c.reason for c in decision.criteria)
    return [c.name for c in decision.criteria if not c.passed]


def test_a_model_that_is_better_steady_and_calibrated_passes() -> None:
    decision = judged()
    assert held_by(decision) == []
    assert decision.criteria[0].reason == (
        "better beyond noise: accuracy 0.900 against 0.800 of r000-a on 200 items (p = 0.001)"
    )


def test_a_gain_that_chance_may_give_is_held() -> None:
    decision = judged(replace(BETTER, p=0.06))
    assert held_by(decision) == ["better"]
    assert "no better beyond noise" in decision.criteria[0].reason


def test_a_loss_is_held_however_sure() -> None:
    assert held_by(judged(replace(BETTER, gain=-0.1))) == ["better"]


def test_models_that_share_no_holdout_cannot_be_compared() -> None:
    decision = judged(Compared("accuracy", None, None, "r000-a", 3, None, None), [])
    assert held_by(decision) == ["better"]
    assert "label more of it" in decision.criteria[0].reason


def test_a_class_may_fall_as_far_as_the_setting_says_and_no_further() -> None:
    assert held_by(judged(changes=[ClassChange("pos", 40, -0.05, 0.1)])) == []
    decision = judged(changes=[ClassChange("neg", 60, 0.1, 0.1), ClassChange("pos", 40, 0.0, -0.051)])
    assert held_by(decision) == ["classes"]
    assert "F1 of 'pos' by 0.051 (40 items; 0.05 is tolerated)" in decision.criteria[1].reason


def test_a_name_of_a_class_cannot_write_to_the_terminal() -> None:
    decision = judged(changes=[ClassChange("\x1b[31mred\n", 40, -0.5, 0.0)])
    assert "\x1b" not in decision.criteria[1].reason
    assert "\n" not in decision.criteria[1].reason


@pytest.mark.parametrize(
    ("ece", "limit", "passes"), [(0.05, 0.01, True), (0.06, 0.07, True), (0.08, 0.07, False), (None, None, False)]
)
def test_calibration_holds_within_tolerance_or_chance(ece: float | None, limit: float | None, passes: bool) -> None:
    assert (held_by(judged(ece=ece, ece_limit=limit)) == []) == passes


@given(gain=st.floats(-1, 1), p=st.floats(0, 1), fall=st.floats(-1, 1), ece=st.floats(0, 1), tolerated=st.floats(0, 1))
def test_only_what_passes_every_criterion_is_promoted(
    gain: float, p: float, fall: float, ece: float, tolerated: float
) -> None:
    change = [ClassChange("pos", 9, -fall, 0.0)]
    decision = judged(replace(BETTER, gain=gain, p=p), change, ece=ece, ece_limit=0.0, max_class_fall=tolerated)
    assert held_by(decision) == [
        name
        for name, wrong in (
            ("better", gain <= 0 or p >= 0.05),
            ("classes", fall > tolerated + 1e-12),
            ("calibration", ece > 0.05),
        )
        if wrong
    ]


def of_hits(hits: list[int]) -> np.ndarray:
    """Probabilities over two classes of items that are all of class 1."""
    return np.eye(2)[np.array(hits)]


def test_of_accuracy_the_swaps_give_the_exact_test_of_mcnemar() -> None:
    first, second = of_hits([1] * 9 + [0] * 2 + [1] * 30), of_hits([0] * 9 + [1] * 2 + [1] * 30)
    y = np.ones(41, dtype=np.int64)
    found = swapped("accuracy", y, first, second, ("no", "yes"), resamples=20_000, rng=np.random.default_rng(0))
    assert found.statistic == pytest.approx(7 / 41)
    assert found.p == pytest.approx(binomtest(2, 11).pvalue, abs=0.006)


def test_four_items_got_right_and_none_got_wrong_are_no_proof() -> None:
    first, second = of_hits([1] * 80), of_hits([0] * 4 + [1] * 76)
    y = np.ones(80, dtype=np.int64)
    found = swapped("accuracy", y, first, second, ("no", "yes"), resamples=5000, rng=np.random.default_rng(0))
    assert found.p == pytest.approx(0.125, abs=0.02)


def test_the_same_answers_are_never_better() -> None:
    proba = np.random.default_rng(0).dirichlet(np.ones(3), 60)
    y = np.arange(60) % 3
    for metric in ("macro_f1", "log_loss", "roc_auc", "f1:b"):
        found = swapped(metric, y, proba, proba, ("a", "b", "c"), resamples=100, rng=np.random.default_rng(0))
        assert (found.statistic, found.p) == (0.0, 1.0)


@pytest.mark.parametrize("metric", ["macro_f1", "log_loss", "roc_auc"])
def test_whoever_is_better_is_so_whichever_way_the_metric_counts(metric: str) -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(2, size=300)
    sure = np.where(rng.random(300) < 0.9, y, 1 - y)
    weak = np.where(rng.random(300) < 0.6, y, 1 - y)
    good, bad = (np.clip(np.eye(2)[guess], 0.1, 0.9) for guess in (sure, weak))
    forth = swapped(metric, y, good, bad, ("a", "b"), resamples=200, rng=np.random.default_rng(0))
    back = swapped(metric, y, bad, good, ("a", "b"), resamples=200, rng=np.random.default_rng(0))
    assert forth.statistic == pytest.approx(-back.statistic)
    assert forth.statistic > 0
    assert forth.p == back.p == pytest.approx(1 / 201)
    value = abs(measure(metric, y, good, ("a", "b")) - measure(metric, y, bad, ("a", "b")))
    assert forth.statistic == pytest.approx(value)


def test_items_that_come_in_groups_are_no_evidence_of_their_own() -> None:
    first, second = of_hits([1] * 12 + [1] * 30), of_hits([0] * 12 + [1] * 30)
    y, rng = np.ones(42, dtype=np.int64), np.random.default_rng
    groups = np.concatenate([np.arange(12) // 6, np.arange(2, 32)])
    alone = swapped("accuracy", y, first, second, ("no", "yes"), resamples=2000, rng=rng(0))
    together = swapped("accuracy", y, first, second, ("no", "yes"), resamples=2000, rng=rng(0), groups=groups)
    assert alone.p < 0.01
    assert together.p == pytest.approx(0.5, abs=0.05)
    assert together.pairs == 32


@settings(max_examples=20, derandomize=True)
@given(seed=st.integers(0, 2**31))
def test_equal_models_pass_seldom(seed: int) -> None:
    """Of 40 pairs of equally good models at most 6 are called better at 5 % two-sided (one is to be expected)."""
    rng = np.random.default_rng(seed)
    called = 0
    for _ in range(40):
        y = np.ones(60, dtype=np.int64)
        first, second = (of_hits((rng.random(60) < 0.8).astype(int).tolist()) for _ in range(2))
        found = swapped("accuracy", y, first, second, ("no", "yes"), resamples=100, rng=rng)
        called += found.statistic > 0 and found.p < 0.05
    assert called <= 6


CURVE = [
    {"coverage": 0.25, "threshold": 0.95, "low": 0.93},
    {"coverage": 0.5, "threshold": 0.9, "low": 0.88},
    {"coverage": 0.75, "threshold": 0.8, "low": 0.91},
    {"coverage": 1.0, "threshold": 0.5, "low": 0.8},
]


def test_the_threshold_answers_as_much_as_the_risk_allows() -> None:
    assert threshold(CURVE, 0.1) == (0.8, 0.75)
    assert threshold(CURVE, 0.25) == (0.5, 1.0)
    assert threshold(CURVE, 0.01) is None


def test_a_bootstrap_would_be_too_sure_of_four_items() -> None:
    """Why the gate swaps answers instead."""
    drawn = np.random.default_rng(0).integers(80, size=(4000, 80))
    difference = np.array([1.0] * 4 + [0.0] * 76)[drawn].mean(axis=1)
    assert np.quantile(difference, 0.025) > 0
