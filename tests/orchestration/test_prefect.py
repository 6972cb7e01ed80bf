"""Workflow files served to a real Prefect server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from machines import kill_run, until
from orchestrators import Prefect

from querist.pipeline.triggers import triggers

pytest.importorskip("httpx", reason="the extra web is not installed")
pytestmark = pytest.mark.systems


@pytest.fixture
def prefect(shop: Any, programs: Callable[[str], Path], tmp_path: Path) -> Iterator[Prefect]:
    """A Prefect of its own on the loopback interface, its data in a temporary folder."""
    made = Prefect(shop.folder, tmp_path, "reviews", programs("prefect"))
    made.server.start()
    made.answers()
    yield made
    made.stop()


def test_a_round_trains_by_itself_though_the_server_was_down_and_the_training_was_killed(
    shop: Any, prefect: Prefect
) -> None:
    shop.set(f"[orchestration]\n{prefect.settings}")
    shop.workflow("prefect", prefect.file)
    prefect.serve("ask-reviews", "train-reviews")
    shop.server.start()
    until(lambda: {run["state_type"] for run in prefect.runs("ask-reviews")} == {"SCHEDULED"}, "the daily schedule")
    asked = prefect.run("ask-reviews")
    until(lambda: prefect.state(asked) == "COMPLETED", "the first question")

    prefect.server.end()
    assert shop.label() == 20  # annotators notice nothing
    until(lambda: deliveries(shop)[0]["attempts"] > 0, "an attempt to tell Prefect")
    assert deliveries(shop)[0]["state"] == "waiting"
    prefect.server.start()
    prefect.answers()
    assert kill_run(shop.folder, "retrained")
    run = prefect.runs("train-reviews")[0]
    until(lambda: prefect.state(run["id"]) == "COMPLETED", "the training")

    assert run["parameters"] == {"round": 0}
    assert json.loads(shop.querist("deploy", "status", "--json"))["current"] is not None
    assert [t["run"] for t in triggers(shop.project, 0)] == [asked, run["id"]]
    assert [one["state"] for one in deliveries(shop)] == ["delivered"]
    assert len(prefect.runs("train-reviews")) == 1


def test_a_suspended_loop_is_resumed_by_labels_and_then_by_a_person(shop: Any, prefect: Prefect) -> None:
    shop.set(f"[orchestration]\n{prefect.settings}")
    shop.workflow("prefect", prefect.file, "--shape", "wait", "--approve")
    prefect.serve("loop-reviews")
    shop.server.start()
    run = prefect.run("loop-reviews")
    until(lambda: prefect.state(run) == "PAUSED", "the wait for labels")
    assert shop.label() == 20
    until(lambda: shop.project.next_round() == 1, "the training")
    until(lambda: prefect.state(run) == "PAUSED", "the wait for approval")
    answer = {"run_input": {"approved": True, "by": "ada"}}
    until(
        lambda: prefect.http.post(f"flow_runs/{run}/resume", json=answer).raise_for_status(), "the answer to be taken"
    )
    until(lambda: prefect.state(run) == "COMPLETED", "the deployment")
    promoted = json.loads(shop.querist("deploy", "status", "--json"))["promotions"]
    assert [one["by"] for one in promoted] == ["ada"]


def deliveries(shop: Any) -> list[dict[str, Any]]:
    return json.loads(shop.querist("webhooks", "list", "--json"))
