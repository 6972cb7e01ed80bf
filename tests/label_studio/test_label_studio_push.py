"""Push to a real Label Studio."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from querist.core.errors import SettingError
from querist.pipeline.exchange import label_studio as door
from querist.pipeline.exchange.label_studio_api import LabelStudio
from querist.pipeline.project import Project
from querist.stages.human_labeling.label_studio import data_of, label_config
from querist.store.queue import open_items
from querist.store.rounds import Query

pytestmark = pytest.mark.systems


def test_a_push_makes_a_project_and_a_repeated_one_adds_nothing(there: Any, work: Project, own: int) -> None:
    again = door.push(work)
    assert (again.project, again.created, again.tasks, again.scores, again.known) == (own, False, 0, 0, 20)
    tasks = there.tasks(own)
    with work.ledger.begin() as tx:
        asked = open_items(tx)
    assert sorted(task["data"]["querist_id"] for task in tasks) == sorted(asked)
    assert all(len(task["predictions"]) == 1 for task in tasks)
    assert {"pos", "neg"} == {c for c in ("pos", "neg") if f'value="{c}"' in there.project(own)["label_config"]}


def test_a_push_that_is_cut_short_goes_on_and_mends_doubles(
    there: Any, work: Project, own: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = there.tasks(own)[0]
    for task in there.tasks(own)[5:]:
        there.http.delete(f"/api/tasks/{task['id']}/").raise_for_status()
    there.http.post(f"/api/projects/{own}/import", json=[{"data": first["data"]}]).raise_for_status()
    monkeypatch.setattr(door, "TASKS_AT_ONCE", 4)
    send, sent = LabelStudio.import_tasks, []

    def cut(self: LabelStudio, project: int, tasks: list[Any]) -> None:
        send(self, project, tasks)
        sent.append(len(tasks))
        if len(sent) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(LabelStudio, "import_tasks", cut)
    with pytest.raises(KeyboardInterrupt):
        door.push(work)
    assert len(there.tasks(own)) == 13
    assert door.push(work).tasks == 7
    items = [task["data"]["querist_id"] for task in there.tasks(own)]
    assert (len(items), len(set(items))) == (20, 20)
    assert first["id"] in {task["id"] for task in there.tasks(own)}


def test_after_retraining_the_new_scores_decide_who_comes_next(
    there: Any, work: Project, own: int, clock: Callable[[], datetime]
) -> None:
    old = there.tasks(own)[-1]
    for task in there.tasks(own)[:-1]:
        there.annotate(task["id"], there.truth(task))
    there.annotate(old["id"], there.truth(old))
    assert door.pull(work).answers == 20
    assert work.run().status == "waiting"
    pushed = door.push(work)
    assert (pushed.tasks, pushed.scores, pushed.known) == (10, 0, 0)
    assert pushed.model_version.startswith("round-1-r000-")
    project = there.project(own)
    assert (project["model_version"], project["sampling"]) == (pushed.model_version, "Uncertainty sampling")
    with work.ledger.begin() as tx:
        asked = open_items(tx)
    served = []
    for _ in asked:
        task = there.next(own)
        served.append(task["data"]["querist_id"])
        there.annotate(task["id"], there.truth(task))
    assert served == asked
    (first, *_) = [task for task in there.tasks(own) if task["data"]["querist_id"] == asked[0]]
    assert first["predictions"][0]["score"] == 0.5
    assert first["predictions"][0]["result"][0]["value"]["choices"][0] in ("pos", "neg")
    assert first["data"]["confidence"] >= 0.5
    assert door.pull(work).answers == 10


def test_a_task_that_comes_back_gets_the_scores_of_the_new_round(there: Any, work: Project, own: int) -> None:
    there.answer_all(own)
    door.sync(work)
    assert work.run().status == "waiting"
    task = there.tasks(own)[3]
    there.delete(task["annotations"][0]["id"])
    pulled, pushed = door.sync(work)
    assert pulled is not None
    assert (pulled.undone, pushed.tasks, pushed.scores) == (1, 10, 1)
    assert there.next(own)["data"]["querist_id"] == task["data"]["querist_id"], "the older round comes first"
    assert door.push(work).known == 11


def test_an_item_that_several_people_answer_has_its_number_there(
    there: Any, project: Project, clock: Callable[[], datetime]
) -> None:
    path = project.folder / "querist.toml"
    path.write_text(f"{path.read_text()}\n[labeling]\noverlap = 2\noverlap_share = 0.5\n")
    work = Project(project.folder, clock=clock)
    number = door.push(work).project
    try:
        assert {task["overlap"] for task in there.tasks(number)} == {1}, "the round was opened before"
        there.answer_all(number)
        door.pull(work)
        work.run()
        door.push(work)
        assert {task["overlap"] for task in there.tasks(number)[20:]} == {1, 2}
    finally:
        there.http.delete(f"/api/projects/{number}/")


def test_predictions_are_shown_only_where_the_project_says_before(
    there: Any, work: Project, own: int, clock: Callable[[], datetime]
) -> None:
    assert there.project(own)["show_collab_predictions"] is False
    path = work.folder / "querist.toml"
    path.write_text(f'{path.read_text()}\n[labeling]\nshow_prediction = "before"\n')
    pushed = door.push(Project(work.folder, clock=clock))
    assert there.project(own)["show_collab_predictions"] is True
    assert there.project(own)["model_version"] == pushed.model_version


def test_a_project_without_the_labels_is_refused(there: Any, work: Project, clock: Callable[[], datetime]) -> None:
    config = '<View><Text name="t" value="$text"/><Choices name="c" toName="t"><Choice value="pos"/></Choices></View>'
    made = there.http.post("/api/projects", json={"title": "other", "label_config": config}).raise_for_status().json()
    path = work.folder / "querist.toml"
    path.write_text(f"{path.read_text()}project = {made['id']}\n")
    with pytest.raises(SettingError, match=r"does not offer \['neg'\]"):
        door.push(Project(work.folder, clock=clock))


@pytest.mark.parametrize("kind", ["text", "image", "tabular"])
def test_label_studio_takes_the_page_of_every_kind(label_studio: Any, kind: str) -> None:
    pixel = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
    payload = {"text": "a", "image": "sha", "columns": {"age": 3}, "context": {"product": "<p>"}}
    query = Query(0, 0, "r0", 0, "pool", None, {}, "auto", None, payload)
    config = label_config(kind, ["a & b", "<c>"], context=True)
    values = {"title": kind, "label_config": config}
    made = label_studio.http.post("/api/projects", json=values).raise_for_status().json()
    task = {"data": data_of(query, kind, pixel)}
    try:
        answer = label_studio.http.post(f"/api/projects/{made['id']}/import", json=[task]).raise_for_status()
        assert answer.json()["task_count"] == 1
        assert label_studio.next(made["id"])["data"] == task["data"]
    finally:
        label_studio.http.delete(f"/api/projects/{made['id']}/")
