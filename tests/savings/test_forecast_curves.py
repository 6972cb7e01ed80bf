"""Forecasts of learning curves that are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.stages.evaluation.forecast import fit_curve, forecast

LABELS = 100.0 * np.arange(1, 11)


def power_law(labels, a=0.9, d=0.3, c=0.6):
    return a - d * (np.asarray(labels) / 100) ** -c


@settings(max_examples=40)
@given(a=st.floats(0.6, 0.97), d=st.floats(0.05, 0.5), c=st.floats(0.2, 1.5))
def test_a_planted_curve_is_found_again(a, d, c):
    curve = fit_curve(LABELS, power_law(LABELS, a, d, c), limit=1.0)
    assert curve is not None
    assert curve.at(2000) == pytest.approx(power_law(2000, a, d, c), abs=2e-3)


def test_three_rounds_are_too_few():
    assert forecast(LABELS[:3], power_law(LABELS[:3]), at=2000, limit=1.0) is None
    assert forecast(LABELS[:4], power_law(LABELS[:4]), at=2000, limit=1.0) is not None
    assert forecast([100, 100, 100, 100], [0.5, 0.6, 0.5, 0.6], at=200, limit=1.0) is None, "one number of labels"


@pytest.mark.parametrize(("n_rounds", "noise"), [(4, 0.01), (8, 0.02), (12, 0.005)])
def test_intervals_of_forecasts_hold_what_is_measured_later(n_rounds, noise):
    rng = np.random.default_rng([n_rounds, int(1000 * noise)])
    held = 0
    for _ in range(60):
        a, d, c = rng.uniform(0.75, 0.98), rng.uniform(0.05, 0.4), rng.uniform(0.3, 1.2)
        labels = 100.0 * np.arange(1, n_rounds + 1)
        found = forecast(
            labels, power_law(labels, a, d, c) + rng.normal(0, noise, n_rounds), at=2 * labels[-1], limit=1
        )
        held += found.low <= power_law(2 * labels[-1], a, d, c) + rng.normal(0, noise) <= found.high
    assert held >= 52, "60 draws of 95 % are below 52 once in 200"


def test_a_forecast_stays_between_what_is_reached_and_the_best_that_can_be():
    rng = np.random.default_rng(2)
    found = forecast(LABELS[:5], power_law(LABELS[:5]) + rng.normal(0, 0.03, 5), at=5000, limit=1.0)
    assert found.low <= found.value <= found.high <= 1.0


def test_earlier_rounds_test_the_forecast_and_their_error_widens_it():
    calm = forecast(LABELS, power_law(LABELS), at=2000, limit=1.0)
    assert [(t.from_labels, t.at_labels) for t in calm.backtest] == [(500, 1000), (600, 1000)], (
        "what 700 labels foretold of 1,000 tells little of a forecast for twice as many"
    )
    assert max(abs(t.forecast - t.measured) for t in calm.backtest) < 1e-3
    broken = np.where(LABELS > 700, power_law(LABELS) - 0.05, power_law(LABELS))
    worse = forecast(LABELS, broken, at=2000, limit=1.0)
    assert worse.high - worse.low > 10 * (calm.high - calm.low)


def test_labels_to_a_goal_are_those_where_the_curve_meets_it():
    found = forecast(LABELS, power_law(LABELS), at=2000, limit=1.0, goal=float(power_law(3000)), most=10_000)
    value, low, high = found.to_goal
    assert value == pytest.approx(3000, rel=0.05)
    assert low <= value <= high


def test_a_goal_above_the_curves_ceiling_is_out_of_reach():
    found = forecast(LABELS, power_law(LABELS), at=2000, limit=1.0, goal=0.95, most=10_000)
    assert found.to_goal == (None, None, None)


def test_a_curve_that_does_not_move_stays():
    found = forecast(LABELS, 0.7 + 0.001 * np.resize([-1, 1], 10), at=2000, limit=1.0)
    assert found is not None
    assert found.value == pytest.approx(0.7, abs=0.01)
    assert found.low < 0.7 < found.high
