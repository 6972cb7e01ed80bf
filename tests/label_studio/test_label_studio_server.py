"""Push, pull and sync with a real Label Studio."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from querist.core.errors import NoSuchRound, ServiceError, SettingError
from querist.pipeline.exchange import label_studio as door
from querist.pipeline.exchange.label_studio_api import LabelStudio
from querist.pipeline.project import Project
from querist.stages.human_labeling.label_studio import data_of, label_config
from querist.store.annotations import Annotation, list_annotations
from querist.store.queue import open_items
from querist.store.rounds import Query

pytestmark = pytest.mark.systems


@pytest.fixture
def there(label_studio: Any, project: Project, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Label Studio, named in the project's settings."""
    path = project.folder / "querist.toml"
    path.write_text(f'{path.read_text()}\n[label_studio]\nurl = "{label_studio.url}"\ntoken_env = "LS_TOKEN"\n')
    monkeypatch.setenv("LS_TOKEN", label_studio.http.headers["Authorization"].removeprefix("Token "))
    return label_studio


@pytest.fixture
def work(project: Project, there: Any, clock: Callable[[], datetime]) -> Project:
    return Project(project.folder, clock=clock)


@pytest.fixture
def own(there: Any, work: Project) -> Iterator[int]:
    """The number of the project that the first push makes, deleted at the end."""
    number = door.push(work).project
    yield number
    there.http.delete(f"/api/projects/{number}/")


def annotations(project: Project) -> list[Annotation]:
    with project.ledger.begin() as tx:
        return list_annotations(tx)


def truth(task: dict[str, Any]) -> str:
    good = ("great", "lovely", "superb", "charming", "fine", "warm", "clever", "bright")
    return "pos" if any(word in task["data"]["text"].split() for word in good) else "neg"


def answer_all(there: Any, number: int) -> None:
    for task in there.tasks(number):
        if not task["annotations"]:
            there.annotate(task["id"], truth(task))


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


def test_what_a_person_does_there_is_the_record_here(there: Any, work: Project, own: int) -> None:
    one, two, three, *_ = there.tasks(own)
    first = there.annotate(one["id"], "pos", seconds=2.0)
    there.annotate(two["id"], None)
    there.annotate(three["id"], "strange")
    found = door.pull(work)
    assert (found.answers, found.corrected, found.undone) == (2, 0, 0)
    assert [(r.item, r.why) for r in found.refused] == [(three["data"]["querist_id"], 'unknown label "strange"')]
    rows = {row.item: row for row in annotations(work)}
    answer = rows[one["data"]["querist_id"]]
    assert (answer.label, answer.annotator, answer.seconds) == ("pos", "lead@example.com", 2.0)
    assert rows[two["data"]["querist_id"]].label is None
    with work.ledger.begin() as tx:
        assert len(open_items(tx)) == 18

    assert door.pull(work, everything=True).answers == 0, "a repetition stores nothing"
    there.correct(first, "neg", seconds=5.0)
    assert door.pull(work).corrected == 1
    corrected = annotations(work)[-1]
    assert (corrected.label, corrected.supersedes, corrected.seconds) == ("neg", answer.id, 3.0)
    there.delete(first)
    assert door.pull(work).undone == 1
    assert (annotations(work)[-1].kind, annotations(work)[-1].supersedes) == ("undo", corrected.id)
    assert door.pull(work, everything=True) == door.Pulled(own, refused=found.refused)
    assert len(annotations(work)) == 4
    with work.ledger.begin() as tx:
        assert len(open_items(tx)) == 19


def test_a_pull_that_is_cut_short_loses_and_doubles_nothing(
    there: Any, work: Project, own: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_all(there, own)
    monkeypatch.setattr("querist.pipeline.exchange.label_studio_api.PAGE", 8)
    take, pages = door._take, []

    def cut(*arguments: Any, **how: Any) -> None:
        take(*arguments, **how)
        pages.append(1)
        if len(pages) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(door, "_take", cut)
    with pytest.raises(KeyboardInterrupt):
        door.pull(work)
    assert len(annotations(work)) == 16
    assert door.pull(work).answers == 4
    assert len({row.item for row in annotations(work)}) == len(annotations(work)) == 20


def test_after_retraining_the_new_scores_decide_who_comes_next(
    there: Any, work: Project, own: int, clock: Callable[[], datetime]
) -> None:
    old = there.tasks(own)[-1]
    for task in there.tasks(own)[:-1]:
        there.annotate(task["id"], truth(task))
    there.annotate(old["id"], truth(old))
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
        there.annotate(task["id"], truth(task))
    assert served == asked
    (first, *_) = [task for task in there.tasks(own) if task["data"]["querist_id"] == asked[0]]
    assert first["predictions"][0]["score"] == 0.5
    assert first["predictions"][0]["result"][0]["value"]["choices"][0] in ("pos", "neg")
    assert first["data"]["confidence"] >= 0.5
    assert door.pull(work).answers == 10


def test_a_task_that_comes_back_gets_the_scores_of_the_new_round(there: Any, work: Project, own: int) -> None:
    answer_all(there, own)
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
        answer_all(there, number)
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


def test_a_personal_access_token_does_as_well(
    there: Any, work: Project, own: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LS_TOKEN", there.http.post("/api/token/").raise_for_status().json()["token"])
    assert door.push(work).known == 20


def test_what_cannot_work_says_what_to_do(there: Any, work: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoSuchRound, match="label-studio push"):
        door.pull(work)
    monkeypatch.setenv("LS_TOKEN", "wrong")
    with pytest.raises(SettingError, match="does not accept the token"):
        door.push(work)
    monkeypatch.delenv("LS_TOKEN")
    with pytest.raises(SettingError, match="LS_TOKEN is empty"):
        door.push(work)


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


def test_the_commands_say_what_they_did(there: Any, work: Project) -> None:
    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "querist", "label-studio", *arguments]
        done = subprocess.run(command, cwd=work.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    out = run("push")
    number = int(out.split("project ")[1].split(":")[0])
    try:
        assert f"pushed to project {number}: 20 tasks" in out
        assert f"put `project = {number}` under [label_studio]" in out
        there.annotate(there.tasks(number)[0]["id"], "strange")
        assert 'unknown label "strange"' in run("pull")
        found = json.loads(run("sync", "--json"))
        assert found["pushed"]["known"] == 20
    finally:
        there.http.delete(f"/api/projects/{number}/")


def test_label_studio_asks_the_backend_and_its_events_bring_the_labels(
    there: Any, work: Project, own: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUERIST_ML_AUTH", "ls:secret")
    answer_all(there, own)
    door.pull(work)
    work.run()
    door.push(work)
    with serving(work) as url:
        body = {"url": f"{url}/ml", "project": own, "title": "querist", "auth_method": "BASIC_AUTH"}
        body |= {"basic_auth_user": "ls", "basic_auth_pass": "secret"}
        backend = there.http.post("/api/ml/", json=body).raise_for_status().json()
        assert there.http.get(f"/api/ml/{backend['id']}").json()["state"] == "CO"
        there.http.patch(f"/api/projects/{own}", json={"show_collab_predictions": True, "model_version": "querist"})
        task = there.next(own)
        live = [one for one in task["predictions"] if one["model_version"].startswith("r000-")]
        assert live[0]["result"][0]["value"]["choices"][0] in ("pos", "neg")
        assert 0.5 <= live[0]["score"] <= 1
        there.annotate(task["id"], "pos")
        item = task["data"]["querist_id"]
        assert wait_until(lambda: item in {row.item for row in annotations(work)}), "the event brought the label"


def test_an_unreachable_label_studio_is_a_service_error(
    project: Project, clock: Callable[[], datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project.folder / "querist.toml"
    path.write_text(f'{path.read_text()}\n[label_studio]\nurl = "http://127.0.0.1:9"\n')
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "x")
    with pytest.raises(ServiceError, match="cannot reach Label Studio"):
        door.pull(Project(project.folder, clock=clock))


@contextmanager
def serving(project: Project) -> Iterator[str]:
    """The backend's routes on a free port of the loopback interface."""
    import uvicorn
    from fastapi import FastAPI

    from querist.http import problems
    from querist.web import label_studio

    app = FastAPI()
    problems.install(app)
    app.include_router(label_studio.router(project))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert wait_until(lambda: server.started)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def wait_until(true: Callable[[], bool], *, seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
