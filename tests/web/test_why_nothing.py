"""Whoever gets no items is told why."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, get_args, get_type_hints

import pytest
from fastapi.testclient import TestClient
from web_client import ByHeader, entry, lease, send

from querist.pipeline.project import Project
from querist.pipeline.rounds import due, next_step
from querist.pipeline.runner import steps_of
from querist.stages.evaluation.stopping import Stop
from querist.web.app import create_app
from querist.web.texts import TEXTS
from querist.web.trainer import State, Trainer

AsPerson = Callable[..., TestClient]


def told(client: TestClient, tab: str = "t") -> Any:
    answer = client.post("/api/v1/tasks/lease", json={"tab": tab, "n": 20}).json()
    assert bool(answer["tasks"]) != bool(answer["waiting"])
    return answer["waiting"]


def test_items_with_others_and_in_other_tabs_are_counted(as_person: AsPerson) -> None:
    ada, ben = as_person("ada"), as_person("ben")
    assert told(ada) is None
    assert told(ben) == {
        "state": "labeling", "seconds": pytest.approx(0, abs=5), "step": "", "over": "",
        "in_other_tabs": 0, "with_others": 20,
    }  # fmt: skip
    second = told(ada, "u")
    assert (second["in_other_tabs"], second["with_others"]) == (20, 0)


def test_while_the_model_trains_people_read_for_how_long_and_at_which_step(
    waiting: Project, as_person: AsPerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = as_person("ada")
    send(ada, *(entry(task["item"], task["context"]["label"]) for task in lease(ada, 20)))
    began = waiting.clock() - timedelta(seconds=90)
    made = Trainer(waiting)
    made.state = State("training", began.isoformat(), "round 0 is complete")
    found = made.told()
    assert (found["state"], found["step"]) == ("training", "human_labeling")
    assert found["seconds"] == pytest.approx(90, abs=5)


def test_the_step_under_way_is_the_first_that_is_not_on_record(waiting: Project, as_person: AsPerson) -> None:
    assert next_step(waiting) == "human_labeling"
    ada = as_person("ada")
    send(ada, *(entry(task["item"], task["context"]["label"]) for task in lease(ada, 20)))
    seen: list[tuple[str, str]] = []
    waiting.run(
        on_step=lambda _, name, status: seen.append((name, next_step(waiting))) if status == "running" else None
    )
    assert seen[0][0] == "seed_set"  # on record already
    assert [name for name, _ in seen[1:]] == [step for _, step in seen[1:]]
    assert seen[-1][0] == "human_labeling"


def test_the_end_of_the_loop_names_what_is_over(waiting: Project, as_person: AsPerson) -> None:
    ada = as_person("ada")
    send(ada, *(entry(task["item"], task["context"]["label"]) for task in lease(ada, 20)))
    settings = waiting.folder / "querist.toml"
    settings.write_text(settings.read_text().replace("[objective]", "[objective]\nbudget_labels = 20"))
    project = Project(waiting.folder)
    assert project.run().status == "stopped"
    found = due(project)
    assert found is not None
    assert (found.over, found.reason) == ("budget_labels", "label budget spent: 20 of 20 labels")
    with TestClient(create_app(project, gate=ByHeader()), headers={"x-person": "ada"}) as client:
        for _ in range(50):
            if (now := told(client))["state"] == "over":
                break
            time.sleep(0.1)
        assert (now["state"], now["over"]) == ("over", "budget_labels")


def test_what_went_wrong_is_for_the_lead(waiting: Project) -> None:
    made = Trainer(waiting)
    made.state = State("failed", waiting.clock().isoformat(), "the disk /secret is full")
    assert "secret" not in str(made.told())


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_there_are_words_for_every_step_and_every_end(waiting: Project, language: str) -> None:
    steps = [step.NAME for round in (0, 1) for step in steps_of(round, waiting.settings.query)]
    ends = get_args(get_type_hints(Stop)["which"])
    assert {*(f"step_{name}" for name in steps), *(f"over_{name}" for name in ends)} <= set(TEXTS[language])
