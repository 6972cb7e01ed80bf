"""Calibration: each method mends what it can mend and keeps its promises."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.core.losses import log_losses
from querist.models.calibration import METHODS, Temperature, fit_calibration, restore, state_of


def overconfident(n_items: int = 3000, *, factor: float = 3.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities whose log is `factor` times too large, and codes drawn from the true ones."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n_items, 3))
    true = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    y = (rng.random((n_items, 1)) > true.cumsum(axis=1)).sum(axis=1)
    sharp = true**factor
    return sharp / sharp.sum(axis=1, keepdims=True), y


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_temperature_finds_the_factor_that_was_put_in(factor: float) -> None:
    fitted = fit_calibration("temperature", *overconfident(factor=factor))
    assert isinstance(fitted, Temperature)
    assert fitted.temperature == pytest.approx(factor, rel=0.1)


def test_temperature_two_takes_square_roots() -> None:
    assert Temperature(2.0).apply(np.array([[0.8, 0.2]])).ravel().tolist() == pytest.approx([2 / 3, 1 / 3])


@pytest.mark.parametrize("method", METHODS)
def test_calibration_lowers_the_loss_on_new_items(method: str) -> None:
    fitted = fit_calibration(method, *overconfident())
    proba, y = overconfident(seed=1)
    assert log_losses(y, fitted.apply(proba)).mean() < log_losses(y, proba).mean() - 0.1


@pytest.mark.parametrize("method", METHODS)
@given(st.integers(0, 10**6), st.integers(2, 30), st.booleans())
@settings(max_examples=25)
def test_calibrated_rows_sum_to_one_whatever_came_in(method: str, seed: int, n_items: int, hard: bool) -> None:
    rng = np.random.default_rng(seed)
    proba = np.eye(4)[rng.integers(4, size=n_items)] if hard else rng.dirichlet(np.ones(4), size=n_items)
    calibrated = fit_calibration(method, proba, rng.integers(4, size=n_items)).apply(proba)
    assert calibrated.shape == proba.shape
    assert (calibrated >= 0).all()
    assert calibrated.sum(axis=1) == pytest.approx(np.ones(n_items))


@given(st.floats(0.1, 10), st.integers(0, 10**6))
@settings(max_examples=25)
def test_temperature_never_changes_the_order_of_classes(temperature: float, seed: int) -> None:
    proba = np.random.default_rng(seed).dirichlet(np.ones(3), size=10)
    proba = np.clip(proba, 1e-5, 1)
    calibrated = Temperature(temperature).apply(proba)
    assert np.array_equal(calibrated.argsort(axis=1), proba.argsort(axis=1))


def test_a_handful_of_right_answers_promises_no_certainty() -> None:
    proba = np.tile([0.8, 0.2], (5, 1))
    calibrated = fit_calibration("temperature", proba, np.zeros(5, dtype=np.int64)).apply(proba)
    assert 0.8 < calibrated[0, 0] < 0.99


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_class_without_a_label_is_not_wiped_out(method: str) -> None:
    proba = np.array([[0.4, 0.3, 0.3]] * 10)
    calibrated = fit_calibration(method, proba, np.array([0, 1] * 5)).apply(proba)
    assert calibrated[0, 2] > 0.1


@pytest.mark.parametrize("method", METHODS)
def test_state_survives_json(method: str) -> None:
    proba, y = overconfident(100)
    fitted = fit_calibration(method, proba, y)
    again = restore(json.loads(json.dumps(state_of(fitted))))
    assert again == fitted
    assert np.array_equal(again.apply(proba), fitted.apply(proba))
