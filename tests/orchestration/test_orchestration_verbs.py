"""What a workflow's tasks call: steps of a round by their aim, in the background, for a run that knows its round."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from machines import free_port

from querist.cli import cli
from querist.config import parse
from querist.config.loop import RetrainingSettings
from querist.core.errors import ServiceError, SettingError
from querist.orchestration.notify import orchestrator, tell_due
from querist.pipeline import verification
from querist.pipeline.background import advance
from querist.pipeline.exchange.webhooks import deliveries
from querist.pipeline.monitoring.drift_rounds import open_drift_round
from querist.pipeline.project import Outcome, Project
from querist.pipeline.rounds import completeness
from querist.pipeline.triggers import record_trigger, retrain
from querist.stages.retraining.policy import decide


@pytest.fixture
def project(folder: Path, reviews: Path) -> Project:
    """Nothing is asked yet; the column `label` can answer."""
    made = Project(folder)
    made.ingest(reviews)
    return made


def plan_of(project: Project, round: int) -> dict[str, Any]:
    steps = {step["name"]: step["result"] for step in project.show_round(round)["steps"]}
    return steps["retraining"]


def test_a_round_comes_as_far_as_it_is_told_and_no_further(project: Project) -> None:
    assert project.run(until="asked", oracle="label") == Outcome("done", 0, "round 0 is asked")
    assert [step["name"] for step in project.show_round(0)["steps"]] == ["seed_set"]
    assert project.run(until="asked", oracle="label").round == 0
    assert project.run(until="retrained", oracle="label").status == "done"
    assert not completeness(project)["evaluated"]
    assert project.run(until="evaluated", oracle="label").status == "done"
    assert project.run(rounds=0, until="evaluated", oracle="label") == Outcome("done", 0, "round 0 is evaluated")
    assert completeness(project) == {
        "round": 0,
        "complete": True,
        "missing": 0,
        "asked": True,
        "retrained": True,
        "evaluated": True,
    }


def test_the_record_is_that_of_one_run_however_it_was_cut(project: Project, folder: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(folder, whole)
    for until in ("asked", "retrained", "evaluated", "asked", "retrained", "evaluated"):
        project.run(until=until, oracle="label")  # type: ignore[arg-type]
    other = Project(whole)
    other.run(rounds=1, oracle="label")
    assert project.digest() == other.digest()


def test_a_run_id_is_about_the_same_round_at_every_attempt(project: Project) -> None:
    first = record_trigger(project, "airflow/7", why="daily", link="https://example.org/7")
    project.run(rounds=0, until="evaluated", oracle="label")
    again = record_trigger(project, "airflow/7", why="daily")
    assert again == first
    assert again.round == 0
    assert record_trigger(project, "airflow/8").round == 1
    assert [t["run"] for t in project.show_round(0)["triggers"]] == ["airflow/7"]
    with pytest.raises(SettingError, match="empty"):
        record_trigger(project, "")


def test_work_in_the_background_is_started_once_and_told_when_it_failed(project: Project) -> None:
    log = project.folder / ".querist" / "background.log"
    with project.ledger.begin():  # what was started waits for this to end, so that it is there to be killed
        assert advance(project, round=0, until="evaluated").status == "running"
        assert advance(project, round=0, until="evaluated").status == "running"
        os.kill(child(project), signal.SIGKILL)
    with pytest.raises(ServiceError, match="the process was killed"):
        advance(project, round=0, until="evaluated", seconds=600)
    assert not log.exists()
    found = advance(project, round=0, until="evaluated", oracle="label", seconds=600)
    assert found == Outcome("done", 0, "round 0 is evaluated")


def test_what_waits_for_people_starts_no_process(folder: Path, reviews: Path) -> None:
    path = folder / "querist.toml"
    path.write_text(path.read_text().replace('label = "label"', 'classes = ["neg", "pos"]'))
    project = Project(folder)
    project.ingest(reviews)
    project.run(until="asked")
    assert advance(project, round=0, until="retrained") == Outcome("waiting", 0, "20 items of round 0 need a label", 20)
    assert not (project.folder / ".querist" / "background.log").exists()


def test_exit_status_75_means_not_yet(folder: Path, reviews: Path) -> None:
    path = folder / "querist.toml"
    text = path.read_text().replace('label = "label"', 'classes = ["neg", "pos"]')
    path.write_text(f'{text}\n[orchestration]\npage_url = "https://label.example.org/"\n')
    Project(folder).ingest(reviews)

    def status(*command: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli, [*command, "--project", str(folder)])
        return done.exit_code, done.output

    asked = ("run", "--until", "asked", "--run-id", "7", "--why", "daily", "--json")
    assert status(*asked)[0] == 0
    assert status("rounds", "complete") == (75, "round 0: 20 items need a label\n")
    assert status("rounds", "wait", "--minutes", "0.01", "--every", "0.1")[0] == 75
    assert status("run", "--until", "evaluated", "--run-id", "7")[0] == 75
    code, said = status("run", "--until", "retrained", "--background", "--run-id", "7", "--json")
    assert code == 75
    assert json.loads(said) == {
        "status": "waiting",
        "round": 0,
        "reason": "20 items of round 0 need a label",
        "missing": 20,
        "page": "https://label.example.org/lead",
    }
    assert "20 of its labels" in status("retrain", "--why", "new guidelines")[1]
    assert status("run", "--until", "asked", "--rounds", "3")[0] == 2
    assert status("run", "--background")[0] == 2
    assert [t["why"] for t in Project(folder).show_round(0)["triggers"]] == ["daily", "new guidelines"]


def test_somebody_can_ask_for_a_full_training_and_the_reason_is_on_record(project: Project) -> None:
    set_when(project, 'when = "labels"')
    project = Project(project.folder)
    project.run(rounds=1, oracle="label")
    assert plan_of(project, 1)["plan"] == "none"
    project.run(rounds=2, until="asked", oracle="label")
    assert retrain(project, "the guidelines have changed", run="r")["round"] == 2
    project.run(rounds=2, oracle="label")
    assert plan_of(project, 2) | {"version": ""} == {
        "plan": "full",
        "reason": "by hand: the guidelines have changed",
        "n_labels": 40,
        "version": "",
    }
    assert verification.verify(project, 2)["same"]
    assert retrain(project, "again", run="s")["round"] == 3
    with pytest.raises(SettingError, match="why"):
        retrain(project, " ", run="t")


def test_a_drift_round_trains_in_full(project: Project) -> None:
    set_when(project, 'when = "labels"')
    project = Project(project.folder)
    project.run(rounds=0, oracle="label")
    open_drift_round(project, "words nobody has seen")
    project.run(rounds=1, oracle="label")
    assert plan_of(project, 1)["reason"] == "drift: words nobody has seen"
    assert verification.verify(project, 1)["same"]


def test_a_scheduled_training_waits_for_its_day() -> None:
    weekly = RetrainingSettings(when="schedule", every_days=7)
    early = decide(weekly, new_labels=10, has_model=True, validation_losses=[], days=6.9)
    assert (early.kind, early.reason) == ("none", "6.9 days since the last training, every 7 are scheduled")
    assert decide(weekly, new_labels=10, has_model=True, validation_losses=[], days=7.0).kind == "full"
    assert decide(weekly, new_labels=0, has_model=True, validation_losses=[], days=9.0).kind == "none"


def test_the_days_since_the_last_training_are_those_of_the_clock(folder: Path, reviews: Path) -> None:
    now = [datetime.fromisoformat("2026-01-01T00:00:00+00:00")]

    def clock() -> datetime:
        now[0] += timedelta(seconds=1)
        return now[0]

    set_when(Project(folder), 'when = "schedule"\nevery_days = 7')
    project = Project(folder, clock=clock)
    project.ingest(reviews)
    project.run(rounds=0, oracle="label")
    kinds = []
    for round in (1, 2):
        now[0] += timedelta(days=4)
        project.run(rounds=round, oracle="label")
        kinds.append(plan_of(project, round)["plan"])
    assert kinds == ["none", "full"]
    assert verification.verify(project, 2)["same"]


def test_a_dead_orchestrator_is_tried_again_for_ever(project: Project) -> None:
    pytest.importorskip("httpx", reason="the extra web is not installed")
    path = project.folder / "querist.toml"
    path.write_text(f'{path.read_text()}\n[orchestration]\nairflow_url = "http://127.0.0.1:{free_port()}"\n')
    project = Project(project.folder)
    project.run(until="retrained", oracle="label")
    now, client = project.clock(), orchestrator(project.settings.orchestration)
    for attempt in range(1, 12):
        assert tell_due(project, now, client) == 0
        (waiting,) = deliveries(project)
        assert (waiting["state"], waiting["attempts"]) == ("waiting", attempt)
        assert "ConnectError" in waiting["error"]
        now += timedelta(hours=1)
    assert tell_due(project, now - timedelta(minutes=59), client) == 0
    assert deliveries(project)[0]["attempts"] == 11
    project.run(until="evaluated", oracle="label")
    assert len(deliveries(project)) == 1


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://a", "http://u:p@a", "http://a b", "http://a:0"])
def test_an_address_of_an_orchestrator_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(SettingError, match="address"):
        parse({"orchestration": {"airflow_url": url}})


def test_one_orchestrator_runs_the_loop() -> None:
    with pytest.raises(SettingError, match="not both"):
        parse({"orchestration": {"airflow_url": "http://a", "prefect_url": "http://b"}})
    assert parse({"orchestration": {"prefect_url": "http://b/api/"}}).orchestration.prefect_url == "http://b/api"


def child(project: Project) -> int:
    """The process in the background."""
    end = time.monotonic() + 300
    while time.monotonic() < end:
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().decode().split("\0") if entry.name.isdigit() else []
            except OSError:
                continue
            if "--until" in words and str(project.folder) in words:
                return int(entry.name)
    raise AssertionError("nothing was started")


def set_when(project: Project, text: str) -> None:
    path = project.folder / "querist.toml"
    path.write_text(f"{path.read_text()}\n[retraining]\n{text}\n", encoding="utf-8")
