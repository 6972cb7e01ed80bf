"""Workflow files run by a real Airflow."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from machines import kill_run, until
from orchestrators import Airflow

from querist.pipeline.triggers import triggers

pytest.importorskip("httpx", reason="the extra web is not installed")
pytestmark = pytest.mark.systems


@pytest.fixture
def airflow(shop: Any, programs: Callable[[str], Path], tmp_path: Path) -> Iterator[Airflow]:
    """An Airflow of its own, with its database made."""
    made = Airflow(shop.folder, tmp_path, "reviews", programs("airflow"))
    made.migrate()
    yield made
    made.stop()


def test_the_event_shape_asks_and_trains_in_two_workflows(shop: Any, airflow: Airflow) -> None:
    shop.workflow("airflow", airflow.dags / "event.py")
    shop.server.start()
    assert "round 0: done" in dag_test("querist_reviews_ask", airflow.env)
    assert shop.label() == 20
    dag_test("querist_reviews_train", airflow.env)
    assert deployed(shop)
    asked, trained = triggers(shop.project, 0)
    assert (asked["why"], trained["why"]) == ("on schedule, or started by hand", "round 0 is complete")
    assert "/dags/querist_reviews_train/runs/" in trained["link"]


def test_the_waiting_shape_goes_on_when_labels_have_come(shop: Any, airflow: Airflow) -> None:
    shop.workflow("airflow", airflow.dags / "wait.py", "--shape", "wait")
    shop.server.start()
    command = ["airflow", "dags", "test", "querist_reviews"]
    with subprocess.Popen(command, env=airflow.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        assert run.stdout is not None
        said = ""
        for line in run.stdout:
            said += line
            if "round 0: 20 items need a label" in line:  # it has looked once, and sleeps
                assert shop.label() == 20
    assert run.returncode == 0, said[-4000:]
    assert "round 0: 0 items need a label" in said
    assert deployed(shop)


def test_a_live_scheduler_is_told_by_querist_survives_a_killed_training_and_waits_for_a_person(
    shop: Any, airflow: Airflow
) -> None:
    shop.set(f"[orchestration]\n{airflow.settings}")
    shop.workflow("airflow", airflow.dags / "event.py", "--approve", "--schedule", "after")
    airflow.begin()
    airflow.ready()
    api = airflow.api

    shop.server.start()  # nothing is asked yet; it will tell Airflow as soon as a round is complete
    airflow.ask()
    until(lambda: shop.label() == 20, "the seed set to be asked")
    killed = kill_run(shop.folder, "retrained")
    run = until(lambda: api.get("/api/v2/dags/querist_reviews_train/dagRuns").json()["dag_runs"][0], "the event's run")
    here = f"/api/v2/dags/querist_reviews_train/dagRuns/{run['dag_run_id']}/taskInstances"

    def tasks(what: str) -> dict[str, Any]:
        found = until(lambda: api.get(here).raise_for_status().json()["task_instances"], "the tasks of the run")
        return {task["task_id"]: task[what] for task in found}

    def states() -> dict[str, str]:
        return tasks("state")

    assert run["run_type"] == "asset_triggered"
    until(lambda: states()["approve"] in ("awaiting_input", "deferred"), "the question for approval")
    assert killed
    assert tasks("try_number")["retrain"] >= 2
    assert not deployed(shop)

    def approved() -> bool:
        """A person answers whenever asked: Airflow loses an answer that comes before its scheduler has seen the
        question, and asks again."""
        question = f"{here}/approve/-1/hitlDetails"
        if not api.get(question).json()["response_received"]:
            api.patch(question, json={"chosen_options": ["Approve"], "params_input": {}})
        return states()["ask_next"] == "success"

    time.sleep(5)  # so that this is seldom
    until(approved, "the next question", pause=5)
    assert states()["deploy"] == "success"
    assert deployed(shop)
    assert len(shop.project.show_round(1)["queries"]) == 10
    assert [t["run"].endswith("/next") for t in triggers(shop.project, 1)] == [True]
    sent = json.loads(shop.querist("webhooks", "list", "--json"))
    assert [(one["event"], one["state"]) for one in sent] == [("round.complete", "delivered")]


def deployed(shop: Any) -> bool:
    return json.loads(shop.querist("deploy", "status", "--json"))["current"] is not None


def dag_test(dag: str, env: Mapping[str, str]) -> str:
    """`airflow dags test`; what it printed."""
    done = subprocess.run(["airflow", "dags", "test", dag], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout + done.stderr
