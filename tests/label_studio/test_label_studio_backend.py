"""The ML backend protocol, as Label Studio speaks it."""

from __future__ import annotations

import base64
import threading
from pathlib import Path
from typing import Any

import pytest

from querist.pipeline.exchange import label_studio as door
from querist.pipeline.project import Project
from querist.store.rounds import list_queries

fastapi = pytest.importorskip("fastapi", reason="the extra web is not installed")

CONFIG = (
    '<View><Text name="t" value="$text"/><Choices name="c" toName="t"><Choice value="neg"/><Choice value="pos"/>'
    "</Choices></View>"
)
EVENTS = [
    *("PROJECT_CREATED", "PROJECT_UPDATED", "PROJECT_DELETED", "TASKS_CREATED", "TASKS_DELETED", "ANNOTATION_CREATED"),
    *("ANNOTATIONS_CREATED", "ANNOTATION_UPDATED", "ANNOTATION_DELETED", "ANNOTATIONS_DELETED", "LABEL_LINK_CREATED"),
    *("START_TRAINING", "SOMETHING_NEW"),
]


def client_of(project: Project, *, host: str = "127.0.0.1") -> Any:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from querist.http import problems
    from querist.web import label_studio

    app = FastAPI()
    problems.install(app)
    app.add_middleware(label_studio.Locked, project=project)
    app.include_router(label_studio.router(project))
    return TestClient(app, client=(host, 50000))


@pytest.fixture
def client(project: Project) -> Any:
    return client_of(project)


@pytest.fixture
def trained(folder: Path, reviews: Path) -> Project:
    made = Project(folder)
    made.ingest(reviews)
    made.run(rounds=0, oracle="label")
    made.run()
    return made


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("querist.web.label_studio.PAUSE_SECONDS", 0.0)


def ask(client: Any, *data: dict[str, Any]) -> Any:
    tasks = [{"id": i, "data": one} for i, one in enumerate(data)]
    body = {"tasks": tasks, "project": "9.1795330243", "label_config": CONFIG, "params": {"context": None}}
    return client.post("/ml/predict", json=body)


def test_it_is_up_before_there_is_a_model(client: Any) -> None:
    for path in ("/ml/", "/ml/health"):
        assert client.get(path).json() == {"status": "UP", "model_class": "querist"}
    setup = {"project": "9.1795330243", "schema": CONFIG, "hostname": "http://x", "access_token": "secret"}
    assert client.post("/ml/setup", json=setup).json() == {"model_version": "none"}
    assert client.get("/ml/versions").json() == {"versions": []}
    assert client.get("/ml/metrics").json() == {}
    for path in ("validate", "delete", "duplicate_model", "job_status"):
        assert client.post(f"/ml/{path}", json={"project": "9.1"}).status_code == 200
    (result,) = ask(client, {"text": "great"}).json()["results"]
    assert result == {"model_version": "none", "score": 0.0, "result": []}


def test_it_predicts_by_our_id_and_by_text(trained: Project) -> None:
    client = client_of(trained)
    with trained.ledger.begin() as tx:
        query = list_queries(tx)[0]
    known = {"querist_id": query.item, "text": "of no matter"}
    answer = ask(client, known, {"text": query.payload["text"]}, {"text": "great lovely superb"}, {"image": "x"}, {})
    by_id, by_text, praise, image, nothing = answer.json()["results"]
    assert by_id == by_text, "the same text, cleaned and encoded the same way"
    assert praise["result"] == [{"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": ["pos"]}}]
    assert praise["score"] > 0.5
    assert image["result"] == nothing["result"] == []
    versions = client.get("/ml/versions").json()["versions"]
    assert praise["model_version"] == versions[-1] == client.post("/ml/setup", json={}).json()["model_version"]


def test_the_next_model_answers_as_soon_as_it_is_trained(trained: Project) -> None:
    client = client_of(trained)
    before = ask(client, {"text": "great"}).json()["results"][0]["model_version"]
    trained.run(rounds=1, oracle="label")
    after = ask(client, {"text": "great"}).json()["results"][0]["model_version"]
    assert (before[:4], after[:4]) == ("r000", "r001")


def test_an_item_that_checks_the_model_gets_a_score_and_no_suggestion(folder: Path, reviews: Path) -> None:
    path = folder / "querist.toml"
    path.write_text(path.read_text().replace("batch_size = 10", "batch_size = 10\ncontrol_share = 0.3"))
    project = Project(folder)
    project.ingest(reviews)
    project.run(rounds=1, oracle="label")
    with project.ledger.read() as tx:
        asked = list_queries(tx, 1)
    data = [{"querist_id": query.item, "text": query.payload["text"]} for query in asked]
    results = ask(client_of(project), *data, {"text": data[0]["text"]}).json()["results"]
    assert sum(query.strategy == "control" for query in asked) == 3
    assert [bool(result["result"]) for result in results[:10]] == [query.strategy != "control" for query in asked]
    assert all(result["score"] >= 0.5 for result in results), "a score of 0 would tell them apart, and serve them first"


def test_a_config_that_lacks_the_labels_is_a_problem(trained: Project) -> None:
    body = {"tasks": [{"id": 1, "data": {"text": "great"}}], "label_config": "<View/>"}
    answer = client_of(trained).post("/ml/predict", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_is_taken_and_asks_for_a_pull(client: Any, event: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pulled = threading.Event()
    monkeypatch.setattr("querist.web.label_studio.pull", lambda project: pulled.set() or door.Pulled(1))
    assert client.post("/ml/webhook", json={"action": event, "project": {}}).status_code == 201
    assert pulled.is_set()


def test_what_an_event_says_is_not_even_read(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("querist.web.label_studio.pull", lambda project: door.Pulled(1))
    headers = {"content-type": "application/json"}
    assert client.post("/ml/webhook", content=b"[" * 100_000, headers=headers).status_code == 201


def test_a_pull_that_fails_is_no_matter_of_label_studio(
    client: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("LABEL_STUDIO_API_KEY", raising=False)
    answer = client.post("/ml/webhook", json={"action": "ANNOTATION_CREATED", "task": {"data": {"text": "secret"}}})
    assert answer.status_code == 201
    assert "LABEL_STUDIO_API_KEY is empty" in caplog.text
    assert "secret" not in caplog.text


def test_events_that_come_during_a_pull_lead_to_one_more() -> None:
    from querist.web.label_studio import Coalesced

    runs, go_on, started = [], threading.Event(), threading.Event()

    def work() -> None:
        runs.append(1)
        started.set()
        go_on.wait(5)

    pulling = Coalesced(work)
    first = threading.Thread(target=pulling)
    first.start()
    started.wait(5)
    for _ in range(5):
        pulling()
    go_on.set()
    first.join()
    assert len(runs) == 2


def test_other_machines_need_the_password(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    far = client_of(project, host="192.0.2.7")
    assert far.get("/ml/health").status_code == 403
    monkeypatch.setenv("QUERIST_ML_AUTH", "ls:top secret")
    refused = far.get("/ml/health")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Basic realm="querist"')
    assert far.get("/ml/health", auth=("ls", "wrong")).status_code == 401
    for bad in ("Basic !", "Basic \xe9"):
        assert far.get("/ml/health", headers={"authorization": bad.encode("latin-1")}).status_code == 401
    assert client_of(project).get("/ml/health").status_code == 401, "this machine, too"
    assert far.post("/ml/predict", json={"tasks": [], "label_config": CONFIG}).status_code == 401
    assert far.post("/ml/webhook", json={"action": "ANNOTATION_CREATED"}).status_code == 201, "comes without one"
    assert far.get("/ml/health", auth=("ls", "top secret")).status_code == 200
    token = base64.b64encode(b"ls:top secret").decode()
    assert far.get("/ml/health", headers={"authorization": f"basic {token}"}).status_code == 200
