"""Answers from here in a real Label Studio, and back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from querist.pipeline.exchange import label_studio as door
from querist.pipeline.exchange import label_studio_answers
from querist.pipeline.human_labeling.labeling import Answer, Desk
from querist.pipeline.project import Project
from querist.store.annotations import Annotation, add_annotations, list_annotations
from querist.store.queue import open_items

pytestmark = pytest.mark.systems


def annotations(project: Project) -> list[Annotation]:
    with project.ledger.begin() as tx:
        return list_annotations(tx)


def answer(project: Project, item: str, label: str | None, *, who: str = "ada", undo: str | None = None) -> str:
    """What the labeling page sends for a person; returns the id of their answer."""
    desk, made = Desk(project), uuid4().hex
    desk.lease(who, "t", 100)
    given = Answer(made, item, label, seconds=2.0, undo=undo is not None, supersedes=undo)
    (result,), _ = desk.submit(who, [given])
    assert result.status == "stored", result.why
    desk.release(who, "t")
    return made


def tasks(there: Any, number: int) -> dict[str, dict[str, Any]]:
    return {task["data"]["querist_id"]: task for task in there.tasks(number)}


def names(there: Any, number: int) -> dict[int, str]:
    """The unique id of each annotation."""
    params = {"exportType": "JSON", "download_all_tasks": "true"}
    found = there.http.get(f"/api/projects/{number}/export", params=params).raise_for_status().json()
    return {one["id"]: one["unique_id"] for task in found for one in task["annotations"]}


def label_of(annotation: dict[str, Any]) -> str | None:
    return annotation["result"][0]["value"]["choices"][0] if annotation["result"] else None


def test_an_answer_from_here_is_there_once_and_does_not_come_back(there: Any, work: Project, own: int) -> None:
    first, second, third, *_ = tasks(there, own)
    made = answer(work, first, "pos")
    answer(work, second, None, who="bob")
    answer(work, third, "neg", who="lead@example.com")
    pushed = door.push(work)
    assert (pushed.tasks, pushed.known, pushed.answers, pushed.withdrawn) == (0, 17, 3, 0)
    found = tasks(there, own)
    (one,), (skip,), (other,) = (found[item]["annotations"] for item in (first, second, third))
    assert (label_of(one), one["lead_time"], one["was_cancelled"], one["ground_truth"]) == ("pos", 2.0, False, False)
    assert (label_of(skip), skip["was_cancelled"]) == (None, True)
    assert (label_of(other), other["completed_by"]) == ("neg", 1)
    assert names(there, own)[one["id"]] == str(UUID(made))
    assert there.next(own)["data"]["querist_id"] not in (first, third), "who labels there is not asked for it again"

    assert door.pull(work, everything=True) == door.Pulled(own)
    pulled, pushed = door.sync(work)
    assert (pulled, pushed.answers) == (door.Pulled(own), 0)
    assert len(annotations(work)) == 3
    assert all(len(task["annotations"]) <= 1 for task in there.tasks(own))


def test_a_correction_there_of_an_answer_from_here_supersedes_it(there: Any, work: Project, own: int) -> None:
    item = next(iter(tasks(there, own)))
    made = answer(work, item, "pos")
    door.push(work)
    (sent,) = tasks(there, own)[item]["annotations"]
    there.correct(sent["id"], "neg", seconds=5.0)
    assert door.pull(work).corrected == 1
    corrected = annotations(work)[-1]
    assert (corrected.label, corrected.supersedes, corrected.annotator, corrected.seconds) == ("neg", made, "ada", 3.0)
    assert door.push(work).answers == 0
    there.delete(sent["id"])
    pulled, pushed = door.sync(work)
    assert pulled is not None
    assert (pulled.undone, pushed.answers, pushed.withdrawn) == (1, 0, 0)
    assert annotations(work)[-1].kind == "undo"
    with work.ledger.read() as tx:
        assert item in open_items(tx)
    assert door.sync(work)[0] == door.Pulled(own)


def test_a_correction_here_replaces_the_annotation_and_an_undo_takes_it_back(
    there: Any, work: Project, own: int
) -> None:
    item = next(iter(tasks(there, own)))
    answer(work, item, "pos")
    door.push(work)
    second = answer(work, item, "neg")
    pushed = door.push(work)
    assert (pushed.answers, pushed.withdrawn) == (1, 1)
    (only,) = tasks(there, own)[item]["annotations"]
    assert (label_of(only), names(there, own)[only["id"]]) == ("neg", str(UUID(second)))
    answer(work, item, None, undo=second)
    assert door.push(work).withdrawn == 1
    assert tasks(there, own)[item]["annotations"] == []
    assert door.sync(work)[0] == door.Pulled(own)


@pytest.mark.parametrize("first", ["push", "pull"])
def test_an_answer_whose_sending_was_never_recorded_is_neither_doubled_nor_taken_for_a_new_one(
    there: Any, work: Project, own: int, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    one, two, *_ = tasks(there, own)
    for item, label in ((one, "pos"), (two, None)):
        answer(work, item, label)

        def killed(*arguments: Any, **how: Any) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(label_studio_answers, "add_sent", killed)
            with pytest.raises(KeyboardInterrupt):
                door.push(work)
        if first == "pull":
            assert door.pull(work) == door.Pulled(own)
        assert door.push(work).answers == (first == "push")
    assert [len(tasks(there, own)[item]["annotations"]) for item in (one, two)] == [1, 1]
    assert door.pull(work, everything=True) == door.Pulled(own)
    assert len(annotations(work)) == 2
    there.delete(tasks(there, own)[one]["annotations"][0]["id"])
    assert door.pull(work).undone == 1, "it is on record now"


def test_an_id_that_another_project_of_the_same_label_studio_has_is_no_obstacle(
    there: Any, work: Project, own: int, clock: Callable[[], datetime]
) -> None:
    item = next(iter(tasks(there, own)))
    answer(work, item, "pos")
    door.push(work)
    config = there.project(own)["label_config"]
    values = {"title": "the second", "label_config": config}
    number = there.http.post("/api/projects", json=values).raise_for_status().json()["id"]
    path = work.folder / "querist.toml"
    path.write_text(f"{path.read_text()}project = {number}\n")
    moved = Project(work.folder, clock=clock)
    there.http.post(f"/api/projects/{number}/import", json=[{"data": tasks(there, own)[item]["data"]}])
    try:
        assert door.push(moved).answers == 1
        assert door.push(moved).answers == 0
        assert len(tasks(there, number)[item]["annotations"]) == 1
        assert door.pull(moved).answers == 0
    finally:
        there.http.delete(f"/api/projects/{number}/")


def test_an_item_that_two_people_answer_may_be_answered_once_here_and_once_there(
    there: Any, folder: Path, project: Project, clock: Callable[[], datetime]
) -> None:
    path = folder / "querist.toml"
    path.write_text(f"{path.read_text()}[labeling]\noverlap = 2\n")
    work = Project(folder, clock=clock)
    ada = {"email": f"{uuid4().hex}@example.com", "username": uuid4().hex}
    account = there.http.post("/api/users/", json=ada).raise_for_status().json()["id"]
    number = door.push(work).project
    try:
        there.answer_all(number)
        door.pull(work)
        assert work.run().status == "waiting"
        with work.ledger.read() as tx:
            new = open_items(tx)[0]
        answer(work, new, "neg", who=ada["email"])
        pushed = door.push(work)
        assert (pushed.tasks, pushed.answers) == (10, 1), "an answer that was there before the task"
        task = tasks(there, number)[new]
        assert [one["completed_by"] for one in task["annotations"]] == [account]
        there.annotate(task["id"], "pos")
        assert door.pull(work).answers == 1
        with work.ledger.read() as tx:
            assert new not in open_items(tx)
        assert tasks(there, number)[new]["is_labeled"]
    finally:
        there.http.delete(f"/api/projects/{number}/")


def test_a_ruling_is_ground_truth_there(there: Any, work: Project, own: int) -> None:
    item = next(iter(tasks(there, own)))
    answer(work, item, "pos")
    said = annotations(work)[0]
    ruling = said._replace(id=uuid4().hex, label="neg", annotator="lead", details={"adjudicated": True})
    with work.ledger.begin() as tx:
        add_annotations(tx, [ruling], now=work.clock())
    assert door.push(work).answers == 2
    found = tasks(there, own)[item]["annotations"]
    assert {label_of(one): one["ground_truth"] for one in found} == {"pos": False, "neg": True}


def test_answers_stay_here_where_the_settings_say_so(
    there: Any, work: Project, own: int, clock: Callable[[], datetime]
) -> None:
    answer(work, next(iter(tasks(there, own))), "pos")
    path = work.folder / "querist.toml"
    path.write_text(f"{path.read_text()}send_answers = false\n")
    assert door.push(Project(work.folder, clock=clock)).answers == 0
    assert names(there, own) == {}
