"""Rounds that are written as they end, and trackers that fail."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.models.learner import ScikitLearner
from querist.pipeline.project import Project
from querist.pipeline.reporting.tracking import plain


def test_with_the_setting_each_round_is_written_when_it_ends(
    make_project: Callable[..., Project], reviews: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tensorboardX", reason="the extra tensorboard is not installed")
    project = make_project(tmp_path / "p", reviews, rounds=1, more='[tracking]\ntensorboard = "board"\n')
    (run,) = (project.folder / "board").iterdir()
    assert len([*run.glob("events.*")]) == 2
    project.run(rounds=2, oracle="label")
    assert len([*run.glob("events.*")]) == 3
    assert project.track("tensorboard", "board") == []


def test_a_tracker_that_fails_is_a_warning_and_the_loop_is_the_same(
    make_project: Callable[..., Project],
    reviews: Path,
    tmp_path: Path,
    finished: Project,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").write_text("no folder")
    more = f'[tracking]\ntensorboard = "{tmp_path}/file/below"\nmlflow = "nonsense://host"\n'
    with caplog.at_level(logging.WARNING, "querist.tracking"):
        project = make_project(tmp_path / "p", reviews, rounds=2, more=more)
    assert len(caplog.records) == 6
    assert {record.getMessage()[: len("tracking.mlflow")] for record in caplog.records} == {
        "tracking.tensor",
        "tracking.mlflow",
    }
    assert project.next_round() == 3
    assert project.settings_key == finished.settings_key
    assert project.digest() == finished.digest()


@given(st.lists(st.text(min_size=1, max_size=120), min_size=2, unique=True))
def test_no_two_names_become_the_same(names: list[str]) -> None:
    found = [plain(name) for name in names]
    assert len(set(found)) == len(names)
    assert all(re.fullmatch(r"[-\w.]{1,210}", name) for name in found)


def test_a_metric_of_a_class_keeps_its_name() -> None:
    assert plain("f1:pos") == "f1.pos"
    assert plain("macro_f1") == "macro_f1"
    assert re.fullmatch(r"f1_very_good\.[0-9a-f]{8}", plain("f1:very good"))


def test_boosting_gives_the_log_loss_after_each_tree() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 3))
    y = (X[:, 0] > 0).astype(int) + 1  # class 0 has no label
    fitted = ScikitLearner("boosting", {"max_iter": 5}, 3, calibration="none").fit(X[:60], y[:60])
    curves = fitted.loss_curves(X[:60], y[:60], validation=(X[60:], y[60:]))
    for name, part in (("train", slice(0, 60)), ("validation", slice(60, 90))):
        last = -np.log(fitted.predict_proba(X[part])[np.arange(len(y[part])), y[part]]).mean()
        assert len(curves[name]) == 5
        assert curves[name][-1] == pytest.approx(last, abs=1e-5)
        assert curves[name][0] > curves[name][-1]


def test_logistic_regression_has_no_curve() -> None:
    X = np.array([[0.0], [1.0], [2.0], [3.0]])
    y = np.array([0, 0, 1, 1])
    assert ScikitLearner("logistic", {}, 2).fit(X, y).loss_curves(X, y) == {}
