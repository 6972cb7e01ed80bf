"""`querist monitor` as a person or a timer runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from querist.cli import cli
from querist.core.errors import QueristError
from querist.pipeline.project import Project


def run(project: Project, *arguments: str) -> Result:
    found = CliRunner().invoke(cli, ["monitor", *arguments, "--project", str(project.folder)])
    if isinstance(found.exception, QueristError):
        raise found.exception
    return found


def test_a_check_shows_statistics_beside_thresholds_and_what_tells_most(monitored: Project, unlabeled: Path) -> None:
    found = run(monitored, "check", "--data", str(unlabeled))
    assert found.exit_code == 0, found.output
    assert "kl_classes" in found.output
    assert "ALARM" in found.output
    assert "what tells most:" in found.output
    assert "drift round 3: waiting: 10 items" in found.output
    assert "no whole window of 100 new items yet" in run(monitored, "check", "--data", str(unlabeled)).output


def test_a_check_says_that_its_windows_are_smaller_than_asked(monitored: Project, unlabeled: Path) -> None:
    asked = run(monitored, "check", "--data", str(unlabeled), "--no-round", "--window", "5000").output
    size = json.loads(run(monitored, "check", "--data", str(unlabeled), "--window", "5000", "--json").output)["window"]
    assert size < 5000
    assert f"windows of {size:,} items, not 5,000: a window is at most half as large" in asked
    assert "items, not" not in run(monitored, "check", "--data", str(unlabeled), "--window", "50").output


def test_a_check_as_json(monitored: Project, unlabeled: Path) -> None:
    found: dict[str, Any] = json.loads(run(monitored, "check", "--data", str(unlabeled), "--json", "--no-round").output)
    assert [one["alarm"] for one in found["checks"]] == [False, True]
    assert found["round"] is None
    told = json.loads(run(monitored, "status", "--json").output)
    assert told["alarm_open"]
    assert len(told["checks"]) == 2


def test_status_says_what_labels_say_of_the_estimate(monitored: Project, drifted: Path) -> None:
    run(monitored, "check", "--data", str(drifted), "--oracle", "label")
    found = run(monitored, "status")
    assert "round 3: the estimate of" in found.output
    assert "alarm: none" in found.output


def test_status_before_any_check(monitored: Project) -> None:
    assert "alarm: none" in run(monitored, "status").output


def test_a_watch_goes_on_when_there_is_nothing_to_look_at_yet(monitored: Project, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "querist", "monitor", "watch", "--project", str(monitored.folder)]
    watch = subprocess.Popen(
        [*command, "--log", str(tmp_path), "--minutes", "0.001"], stderr=subprocess.PIPE, text=True
    )
    try:
        assert watch.stderr is not None
        said = [watch.stderr.readline() for _ in range(2)]
        assert all("holds no logged prediction yet" in line for line in said)
        assert watch.poll() is None
    finally:
        watch.terminate()
        watch.wait(timeout=300)


@pytest.mark.parametrize("arguments", [["check"], ["check", "--log", "a", "--data", "b"]])
def test_what_cannot_be_checked_is_refused(monitored: Project, arguments: list[str]) -> None:
    with pytest.raises(QueristError):
        run(monitored, *arguments)
