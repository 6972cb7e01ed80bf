"""A request with an Idempotency-Key works once, and is answered alike however often it comes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from web_client import ByHeader, entry, lease

from querist.core.errors import DataError, LedgerError
from querist.pipeline.project import Project
from querist.store import requests, tables
from querist.store.annotations import list_annotations
from querist.web.app import create_app

KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"
IMPORT = "/api/v1/labels/import"
Client = Callable[..., TestClient]


class Clock:
    now = datetime(2026, 1, 2, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def work(waiting: Project) -> Project:
    """The project at a time that stands still."""
    return Project(waiting.folder, clock=Clock())


@pytest.fixture
def client(work: Project) -> Client:
    app = create_app(work, gate=ByHeader())

    def made(name: str = "lea", role: str = "lead", token: str = "", key: str = KEY) -> TestClient:
        headers = {"x-person": name, "x-role": role, "authorization": token, "idempotency-key": key}
        return TestClient(app, headers={name: value for name, value in headers.items() if value})

    return made


def asked(project: Project) -> list[str]:
    with TestClient(create_app(project, gate=ByHeader()), headers={"x-person": "ada"}) as ada:
        return [str(task["item"]) for task in lease(ada, 3)]


def file(items: list[str], label: str = "pos") -> str:
    return "id,label\n" + "".join(f"{item},{label}\n" for item in items)


def send(client: TestClient, content: str) -> Any:
    return client.post(IMPORT, content=content, headers={"content-type": "text/csv"})


def n_annotations(project: Project) -> int:
    with project.ledger.read() as tx:
        return len(list_annotations(tx))


def test_the_same_request_gets_the_same_answer_and_the_work_is_done_once(client: Client, work: Project) -> None:
    content = file(asked(work))
    first, again = send(client(), content), send(client(), content)
    assert first.json() == {"read": 3, "added": 3, "empty": 0, "unchanged": 0}
    assert (again.status_code, again.content, again.headers["content-type"]) == (200, first.content, "application/json")
    assert send(client(key=f'"{KEY}"'), content).json()["added"] == 3, "a key in quotes, as the draft writes it"
    assert send(client(key=""), content).json()["unchanged"] == 3
    assert n_annotations(work) == 3


def test_a_restart_of_the_server_forgets_no_answer(client: Client, work: Project) -> None:
    content = file(asked(work))
    send(client(), content)
    other = TestClient(create_app(Project(work.folder, clock=work.clock), gate=ByHeader()), headers=client().headers)
    assert send(other, content).json()["added"] == 3


def test_a_key_stands_for_one_request(client: Client, work: Project) -> None:
    items = asked(work)
    send(client(), file(items))
    for answer in (
        send(client(), file(items, "neg")),
        client().post(f"{IMPORT}?holdout=true", content=file(items)),
        client().post("/api/v1/rounds/next"),
    ):
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
        assert "make a new one" in answer.json()["detail"]
    assert n_annotations(work) == 3


def test_a_key_belongs_to_the_person_and_the_token(client: Client, work: Project) -> None:
    items = asked(work)
    answers = [
        send(client(**who), file(items[:n]))  # under the key of somebody else it would be told 422
        for n, who in enumerate([{"name": "eve"}, {"token": "Bearer a"}, {"token": "Bearer b"}], start=1)
    ]
    assert [answer.json()["read"] for answer in answers] == [1, 2, 3]


def test_who_may_no_longer_ask_gets_no_kept_answer(client: Client, work: Project) -> None:
    content = file(asked(work))
    send(client(), content)
    assert send(client(role="annotator"), content).status_code == 403


def test_while_the_first_is_under_way_the_second_is_told_so(
    client: Client, work: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, begun, go_on = file(asked(work)), threading.Event(), threading.Event()
    real = Project.import_labels

    def slow(*args: Any, **more: Any) -> Any:
        begun.set()
        go_on.wait(60)
        return real(*args, **more)

    monkeypatch.setattr(Project, "import_labels", slow)
    answers: list[Any] = []
    first = threading.Thread(target=lambda: answers.append(send(client(), content)))
    first.start()
    assert begun.wait(60)
    second = send(client(), content)
    go_on.set()
    first.join()
    assert (second.status_code, second.headers["retry-after"]) == (409, "5")
    assert answers[0].json()["added"] == send(client(), content).json()["added"] == 3


def test_after_an_error_the_key_is_free_again(client: Client, work: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    items = asked(work)
    assert send(client(), file(items, "strange")).status_code == 400
    with monkeypatch.context() as broken:
        broken.setattr(Project, "import_labels", lambda *_, **__: (_ for _ in ()).throw(DataError("the disk is full")))
        assert send(client(), file(items)).status_code == 400
    assert send(client(), file(items)).json()["added"] == 3


def test_an_answer_that_cannot_be_kept_is_given_and_the_key_is_free_after_two_minutes(
    client: Client, work: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    content = file(asked(work))
    with monkeypatch.context() as dying:
        dying.setattr(requests, "keep", lambda *_, **__: (_ for _ in ()).throw(LedgerError("gone")))
        assert send(client(), content).json()["added"] == 3
    assert "is not on record" in caplog.text
    assert send(client(), content).status_code == 409
    work.clock.now += timedelta(minutes=2)  # type: ignore[attr-defined]  # a Clock
    assert send(client(), content).json()["unchanged"] == 3, "the work was done, and is not done again"
    assert n_annotations(work) == 3


def test_answers_have_ids_of_their_own_and_one_that_was_refused_may_be_sent_again(
    client: Client, work: Project
) -> None:
    (item, *_) = asked(work)
    body, eve = {"tab": "t", "annotations": [entry(item)]}, client("eve", "annotator")
    assert eve.post("/api/v1/annotations", json=body).json()["results"][0]["status"] == "refused"
    client("ada", "annotator").post("/api/v1/tasks/release", json={"tab": "t"})
    assert item in {task["item"] for task in lease(eve, 20)}
    statuses = [eve.post("/api/v1/annotations", json=body).json()["results"][0]["status"] for _ in range(2)]
    assert statuses == ["stored", "known"]


def test_the_round_after_is_not_started_by_a_request_that_comes_late(client: Client) -> None:
    first, again = client().post("/api/v1/rounds/next"), client().post("/api/v1/rounds/next")
    assert (first.status_code, first.content) == (200, again.content)


def test_two_keys_are_refused_and_who_has_no_token_is_one_caller(client: Client, work: Project) -> None:
    content = file(asked(work))
    lea = client(key="")
    two = lea.post(IMPORT, content=content, headers=[("idempotency-key", "a"), ("idempotency-key", "b")])
    assert (two.status_code, two.headers["content-type"]) == (400, "application/problem+json")
    assert {send(client(token=f"Basic {n}"), content).json()["added"] for n in range(3)} == {3}
    assert [send(client(token=t), content).json()["unchanged"] for t in ("Bearer a", "bearer  a ")] == [3, 3]
    with work.ledger.read() as tx:
        assert len(set(tx.execute(select(tables.requests.c.caller)).scalars())) == 2


def test_errors_of_an_import_do_not_tell_where_the_file_lay(client: Client, work: Project) -> None:
    for content in (file(["nobody"]), "id,label\n", "id\n1\n", "\xff"):
        said = client(key="").post(IMPORT, content=content.encode("latin-1")).json()["detail"]
        assert said.startswith("the file")
        assert "labels.csv" not in said


@pytest.mark.parametrize("key", ["a b", '"a', 'a"b', "x" * 256, "a\\b"])
def test_what_is_no_key_is_refused(waiting: Project, key: str) -> None:
    lea = TestClient(create_app(waiting, gate=ByHeader()), headers={"x-person": "lea", "x-role": "lead"})
    assert lea.post("/api/v1/rounds/next", headers={"idempotency-key": key}).status_code == 422
