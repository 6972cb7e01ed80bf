"""Workflow files served to a real Prefect server."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from querist.pipeline.triggers import triggers

httpx = pytest.importorskip("httpx", reason="the extra web is not installed")
pytestmark = pytest.mark.systems

Until = Callable[..., Any]


class Here:
    """A Prefect of its own on the loopback interface, its data in a temporary folder."""

    def __init__(self, folder: Path, data: Path, port: int, start: Callable[..., Any]) -> None:
        self._folder, self._port, self._start = folder, port, start
        self.url = f"http://127.0.0.1:{port}/api"
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "PYTEST"))}
        self.env |= {
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
            "PREFECT_HOME": str(data),
            "PREFECT_API_URL": self.url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_RUNNER_POLL_FREQUENCY": "2",
            "DO_NOT_TRACK": "1",
        }
        self.http = httpx.Client(base_url=self.url, timeout=20)

    def begin(self, until: Until) -> Any:
        command = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", self._port]
        process = self._start("prefect", *command, env=self.env)
        until(lambda: self.http.get("health").is_success, "Prefect's server", 120)
        return process

    def serve(self, file: Path, until: Until, *deployments: str) -> None:
        self._start("served", self._folder / "python", file, env=self.env)
        for name in deployments:
            until(lambda name=name: self.deployment(name), f"the deployment {name}", 120)

    def deployment(self, name: str) -> str:
        return self.http.get(f"deployments/name/{name}/querist").raise_for_status().json()["id"]

    def run(self, name: str) -> str:
        made = self.http.post(f"deployments/{self.deployment(name)}/create_flow_run", json={})
        return made.raise_for_status().json()["id"]

    def state(self, run: str) -> str:
        return self.http.get(f"flow_runs/{run}").raise_for_status().json()["state_type"]

    def runs(self, name: str) -> list[dict[str, Any]]:
        wanted = {"flows": {"name": {"any_": [name]}}, "sort": "START_TIME_DESC"}
        return self.http.post("flow_runs/filter", json=wanted).raise_for_status().json()


@pytest.fixture
def prefect(
    programs: Callable[[str], Path], tmp_path: Path, start: Callable[..., Any], free_port: Callable[[], int]
) -> Here:
    return Here(programs("prefect"), tmp_path / "prefect-home", free_port(), start)


def test_a_round_trains_by_itself_though_the_server_was_down_and_the_training_was_killed(
    shop: Any, prefect: Here, tmp_path: Path, until: Until, ending: Callable[..., None], killed_once: Callable[..., Any]
) -> None:
    server = prefect.begin(until)
    shop.set(f'[orchestration]\nprefect_url = "{prefect.url}"')
    prefect.serve(shop.workflow("prefect", tmp_path / "event.py"), until, "ask-reviews", "train-reviews")
    shop.server.start()
    until(
        lambda: {run["state_type"] for run in prefect.runs("ask-reviews")} == {"SCHEDULED"}, "the daily schedule", 120
    )
    asked = prefect.run("ask-reviews")
    until(lambda: prefect.state(asked) == "COMPLETED", "the first question", 120)

    ending(server)
    assert shop.label() == 20  # annotators notice nothing
    until(lambda: deliveries(shop)[0]["attempts"] > 0, "an attempt to tell Prefect")
    assert deliveries(shop)[0]["state"] == "waiting"
    prefect.begin(until)
    assert killed_once(shop, "retrained", 150)
    run = prefect.runs("train-reviews")[0]
    until(lambda: prefect.state(run["id"]) == "COMPLETED", "the training", 180)

    assert run["parameters"] == {"round": 0}
    assert json.loads(shop.querist("deploy", "status", "--json"))["current"] is not None
    assert [t["run"] for t in triggers(shop.project, 0)] == [asked, run["id"]]
    assert [one["state"] for one in deliveries(shop)] == ["delivered"]
    assert len(prefect.runs("train-reviews")) == 1


def test_a_suspended_loop_is_resumed_by_labels_and_then_by_a_person(
    shop: Any, prefect: Here, tmp_path: Path, until: Until
) -> None:
    prefect.begin(until)
    shop.set(f'[orchestration]\nprefect_url = "{prefect.url}"')
    prefect.serve(shop.workflow("prefect", tmp_path / "wait.py", "--shape", "wait", "--approve"), until, "loop-reviews")
    shop.server.start()
    run = prefect.run("loop-reviews")
    until(lambda: prefect.state(run) == "PAUSED", "the wait for labels", 120)
    assert shop.label() == 20
    until(lambda: shop.project.next_round() == 1, "the training", 180)
    until(lambda: prefect.state(run) == "PAUSED", "the wait for approval", 120)
    answer = {"run_input": {"approved": True, "by": "ada"}}
    prefect.http.post(f"flow_runs/{run}/resume", json=answer).raise_for_status()
    until(lambda: prefect.state(run) == "COMPLETED", "the deployment", 120)
    promoted = json.loads(shop.querist("deploy", "status", "--json"))["promotions"]
    assert [one["by"] for one in promoted] == ["ada"]


def deliveries(shop: Any) -> list[dict[str, Any]]:
    return json.loads(shop.querist("webhooks", "list", "--json"))
