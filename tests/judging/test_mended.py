"""What a statistician found."""

import numpy as np
import pytest

from querist.stages.evaluation.calibration import expected_calibration_error
from querist.stages.evaluation.intervals import bootstrap


def test_the_calibration_error_of_ties_does_not_depend_on_their_order():
    proba = np.tile([0.7, 0.3], (300, 1))
    y = np.r_[np.zeros(210, dtype=int), np.ones(90, dtype=int)]
    assert expected_calibration_error(y, proba) == pytest.approx(0, abs=1e-9)


def test_six_of_six_is_no_proof_of_a_perfect_recall():
    y = np.repeat(np.arange(77), 6)
    _, low, high = bootstrap(
        "recall:c0",
        y,
        np.eye(77)[y],
        [f"c{i}" for i in range(77)],
        confidence=0.95,
        resamples=200,
        rng=np.random.default_rng(0),
    )
    assert low < 0.7  # Wilson: 0.61
    assert high == pytest.approx(1)


def test_perfect_separation_has_no_interval():
    y = np.repeat([0, 1], 10)
    value, low, high = bootstrap(
        "roc_auc", y, np.eye(2)[y], ["a", "b"], confidence=0.95, resamples=200, rng=np.random.default_rng(0)
    )
    assert value == 1
    assert np.isnan(low)
    assert np.isnan(high)
