"""The next round is made before the last answer has come, so that people have something to do meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from web_client import ByHeader, entry, lease, send

from querist.asking import may_stay_open
from querist.pipeline.conditions import deciding
from querist.pipeline.project import Project
from querist.pipeline.rounds import due
from querist.pipeline.verification import verify
from querist.store.rounds import outstanding
from querist.web.app import create_app

AsPerson = Callable[..., TestClient]


@pytest.fixture
def early(waiting: Project) -> Callable[..., Project]:
    """The project that waits for its seed set of 20 items, with other settings."""

    def made(**objective: int) -> Project:
        path = waiting.folder / "querist.toml"
        goal = "".join(f"\n{name} = {value}" for name, value in objective.items())
        text = path.read_text().replace("[objective]", f"[objective]{goal}")
        path.write_text(f"{text}\n[labeling]\ntrain_at = 0.75\n")
        return Project(waiting.folder)

    return made


def client_of(project: Project) -> TestClient:
    return TestClient(create_app(project, gate=ByHeader()), headers={"x-person": "ada", "x-role": "lead"})


def answer(client: TestClient, n: int) -> list[dict[str, Any]]:
    tasks = lease(client, n)
    send(client, *(entry(t["item"], t["context"]["label"]) for t in tasks))  # type: ignore[index]
    return tasks


def labels_of(project: Project) -> list[int | None]:
    return [row["labels"] for row in project.status()["rounds"]]


def test_what_is_answered_while_the_model_trains_counts_a_round_later(early: Callable[..., Project]) -> None:
    project = early()
    ada = client_of(project)
    answer(ada, 14)
    assert due(project) is None
    answer(ada, 1)
    assert due(project) is not None
    assert project.run().status == "waiting"
    assert labels_of(project) == [15, None]
    assert [t["round"] for t in answer(ada, 15)] == [0] * 5 + [1] * 10, "the older ones first"
    project.run()
    assert labels_of(project) == [15, 30, None]
    assert [verify(project, number)["same"] for number in (0, 1)] == [True, True]


def test_no_budget_is_overdrawn_and_no_label_that_was_paid_is_left_out(early: Callable[..., Project]) -> None:
    project = early(budget_labels=25)
    ada = client_of(project)
    answer(ada, 15)
    project.run()
    with project.ledger.read() as tx:
        assert (outstanding(tx), may_stay_open(tx, 1, project.settings)) == (10, 0)
    answer(ada, 9)
    assert due(project) is None, "nobody would learn from the last answer, so it is waited for"
    assert [t["round"] for t in answer(ada, 5)] == [1]
    assert project.run().status == "stopped"
    assert labels_of(project) == [15, 25]


@pytest.mark.long
def test_the_page_has_items_from_the_first_answer_to_the_next_round(early: Callable[..., Project]) -> None:
    with client_of(early()) as ada:
        answer(ada, 15)
        end = time.monotonic() + 60
        while (tasks := lease(ada, 20))[-1]["round"] == 0:
            assert len(tasks) == 5
            assert time.monotonic() < end, ada.get("/api/v1/training").json()
            time.sleep(0.1)
        assert [t["round"] for t in tasks] == [0] * 5 + [1] * 10
        assert "once 75% of the items" in ada.get("/lead").text


def test_by_default_the_last_answer_is_waited_for_and_settings_keep_their_hash(waiting: Project) -> None:
    with waiting.ledger.read() as tx:
        assert may_stay_open(tx, 0, waiting.settings) == 0
    assert "train_at" not in deciding(waiting.settings)["labeling"]


def test_an_item_with_a_ruling_wants_no_more_answers(early: Callable[..., Project]) -> None:
    project = early()
    ada = client_of(project)
    (task,) = lease(ada, 1)
    with project.ledger.read() as tx:
        assert outstanding(tx) == 20
    sent = ada.post("/lead/review", data={"item": task["item"], "label": "pos"}, follow_redirects=False)
    assert sent.status_code == 303
    with project.ledger.read() as tx:
        assert outstanding(tx) == 19
