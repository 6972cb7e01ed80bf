"""Workflow files run by a real Airflow."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from querist.pipeline.triggers import triggers

httpx = pytest.importorskip("httpx", reason="the extra web is not installed")
pytestmark = pytest.mark.systems


@pytest.fixture
def airflow(programs: Callable[[str], Path], tmp_path: Path, free_port: Callable[[], int]) -> dict[str, str]:
    """The environment of an Airflow of its own, with its database made."""
    folder, port = programs("airflow"), free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTEST"))}
    env |= {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API_AUTH__JWT_SECRET": "only-for-this-loopback-test-0123456789abcdef",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
        "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": "5",
        "QUERIST_POLL_SECONDS": "5",
    }
    (tmp_path / "dags").mkdir()
    subprocess.run(["airflow", "db", "migrate"], env=env, check=True, capture_output=True)
    return env


def test_the_event_shape_asks_and_trains_in_two_workflows(shop: Any, airflow: dict[str, str], tmp_path: Path) -> None:
    shop.workflow("airflow", tmp_path / "dags" / "event.py")
    shop.server.start()
    assert "round 0: done" in dag_test("querist_reviews_ask", airflow)
    assert shop.label() == 20
    dag_test("querist_reviews_train", airflow)
    assert deployed(shop)
    asked, trained = triggers(shop.project, 0)
    assert (asked["why"], trained["why"]) == ("on schedule, or started by hand", "round 0 is complete")
    assert "/dags/querist_reviews_train/runs/" in trained["link"]


def test_the_waiting_shape_goes_on_when_labels_have_come(shop: Any, airflow: dict[str, str], tmp_path: Path) -> None:
    shop.workflow("airflow", tmp_path / "dags" / "wait.py", "--shape", "wait")
    shop.server.start()
    command = ["airflow", "dags", "test", "querist_reviews"]
    with subprocess.Popen(command, env=airflow, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
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
    shop: Any,
    airflow: dict[str, str],
    tmp_path: Path,
    start: Callable[..., Any],
    until: Callable[..., Any],
    killed_once: Callable[..., Any],
) -> None:
    url = airflow["AIRFLOW__API__BASE_URL"]
    shop.set(f'[orchestration]\nairflow_url = "{url}"')
    shop.workflow("airflow", tmp_path / "dags" / "event.py", "--approve", "--schedule", "after")
    port = url.rpartition(":")[2]
    start("api", "airflow", "api-server", "--host", "127.0.0.1", "--port", port, "--workers", "1", env=airflow)
    for service in ("scheduler", "dag-processor", "triggerer"):
        start(service, "airflow", service, env=airflow)
    api = httpx.Client(base_url=url, timeout=20)
    token = until(lambda: api.get("/auth/token").json()["access_token"], "Airflow's API", 180)
    api.headers["authorization"] = f"Bearer {token}"
    for dag in ("querist_reviews_ask", "querist_reviews_train"):
        path = f"/api/v2/dags/{dag}"
        until(lambda path=path: api.patch(path, json={"is_paused": False}).is_success, f"{dag} to be parsed", 180)

    shop.server.start()  # nothing is asked yet; it will tell Airflow as soon as a round is complete
    api.post("/api/v2/dags/querist_reviews_ask/dagRuns", json={"logical_date": None}).raise_for_status()
    until(lambda: shop.label() == 20, "the seed set to be asked")
    killed = killed_once(shop, "retrained", 120)
    run = until(lambda: api.get("/api/v2/dags/querist_reviews_train/dagRuns").json()["dag_runs"][0], "the event's run")
    here = f"/api/v2/dags/querist_reviews_train/dagRuns/{run['dag_run_id']}/taskInstances"

    def states() -> dict[str, str]:
        return {t["task_id"]: t["state"] for t in api.get(here).json()["task_instances"]}

    assert run["run_type"] == "asset_triggered"
    until(lambda: states()["approve"] in ("awaiting_input", "deferred"), "the question for approval", 240)
    tries = {t["task_id"]: t["try_number"] for t in api.get(here).json()["task_instances"]}
    assert killed
    assert tries["retrain"] >= 2
    assert not deployed(shop)
    time.sleep(5)  # an answer within the same second can meet a race in Airflow's scheduler
    said = {"chosen_options": ["Approve"], "params_input": {}}
    api.patch(f"{here}/approve/-1/hitlDetails", json=said).raise_for_status()
    until(lambda: states()["ask_next"] == "success", "the next question", 180)
    assert states()["deploy"] == "success"
    assert deployed(shop)
    assert len(shop.project.show_round(1)["queries"]) == 10
    assert [t["run"].endswith("/next") for t in triggers(shop.project, 1)] == [True]
    sent = json.loads(shop.querist("webhooks", "list", "--json"))
    assert [(one["event"], one["state"]) for one in sent] == [("round.complete", "delivered")]


def deployed(shop: Any) -> bool:
    return json.loads(shop.querist("deploy", "status", "--json"))["current"] is not None


def dag_test(dag: str, env: dict[str, str]) -> str:
    """`airflow dags test`; what it printed."""
    done = subprocess.run(["airflow", "dags", "test", dag], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout + done.stderr
