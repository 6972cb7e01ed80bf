"""A prediction log that keeps nothing of the items: what a check still can do, and that it says what it cannot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from querist.cli import cli
from querist.pipeline.monitoring import traffic
from querist.pipeline.monitoring.check import check
from querist.pipeline.monitoring.references import find_model
from querist.pipeline.project import Project
from querist.stages.monitoring.logs import PredictionLog, read_log
from querist.stages.monitoring.sample import Sample
from querist.stages.monitoring.views import views

AT = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.fixture
def log(monitored: Project, drifted: Path, tmp_path: Path) -> Path:
    """240 drifted items, logged as `--log-keep none` does."""
    model, reader = find_model(monitored), traffic.RawItems(monitored, find_model(monitored))
    proba, _ = reader.predict(reader.cleaned([item for _, item in reader.items(drifted) if item is not None]))
    made = PredictionLog(tmp_path / "log")
    for start in range(0, len(proba), 10):
        part = proba[start : start + 10]
        made.add(
            at=AT + timedelta(seconds=start),
            version=model.version,
            request_ids=[f"req-{start}-{at}" for at in range(len(part))],
            classes=model.learner["classes"],
            proba=part,
            embeddings=np.zeros((len(part), 0), dtype=np.float32),
        )
    made.close()
    return tmp_path / "log"


def test_the_predictions_alone_are_compared_and_one_note_says_what_is_missing(monitored: Project, log: Path) -> None:
    found = check(monitored, log=log)
    assert [one["alarm"] for one in found["checks"]] == [False, True]
    newest = found["checks"][-1]
    assert "mmd" not in {test["name"] for test in newest["tests"]}
    assert {test["name"] for test in newest["tests"] if test["decides"]} == {"kl_classes", "kl_entropy"}
    assert newest["domain"] is None
    assert newest["note"].startswith(
        "the log keeps nothing of the items (log_keep none), so kl_classes, kl_entropy decide alone; mmd cannot"
    )
    assert found["round"]["reason"].startswith("the log keeps no items, so there is nothing to label")


def test_the_note_is_printed_once(monitored: Project, log: Path) -> None:
    found = CliRunner().invoke(cli, ["monitor", "check", "--log", str(log), "--project", str(monitored.folder)])
    assert found.exit_code == 0, found.output
    assert found.output.count("note: the log keeps nothing of the items") == 1
    again = CliRunner().invoke(cli, ["monitor", "status", "--project", str(monitored.folder)])
    assert again.exit_code == 0, again.output


def test_a_window_that_holds_all_has_no_note(monitored: Project, unlabeled: Path) -> None:
    assert check(monitored, data=unlabeled, start_round=False)["checks"][0]["note"] is None


def test_rows_with_and_without_embeddings_are_read_as_rows_without(tmp_path: Path) -> None:
    made = PredictionLog(tmp_path)
    for second, n_dims in enumerate((3, 0)):
        made.add(
            at=AT + timedelta(seconds=second),
            version="r001",
            request_ids=["q"],
            classes=["a", "b"],
            proba=np.array([[0.4, 0.6]]),
            embeddings=np.ones((1, n_dims)),
        )
    made.close()
    rows = read_log(tmp_path, "r001")
    assert rows is not None
    assert rows.embeddings.shape == (2, 0)


def test_embeddings_of_no_columns_have_no_mmd() -> None:
    without = Sample(np.full((40, 2), 0.5, dtype=np.float32), np.zeros((40, 0), dtype=np.float32))
    assert set(views(without, ("mmd", "kl_classes"))) == {"kl_classes"}
