"""The commands, the backend and what goes wrong, with a real Label Studio."""

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
from querist.pipeline.project import Project
from querist.store.annotations import Annotation, list_annotations

pytestmark = pytest.mark.systems


def annotations(project: Project) -> list[Annotation]:
    with project.ledger.begin() as tx:
        return list_annotations(tx)


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
    there.answer_all(own)
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
