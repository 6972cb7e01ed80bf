"""Labels come in by webhook: signed, fresh, once, and all or none."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra web is not installed")

from fastapi import FastAPI
from fastapi.testclient import TestClient

from querist.http import problems
from querist.pipeline.project import Project
from querist.snapshots.snapshot import TEST
from querist.store.annotations import list_annotations
from querist.store.rounds import list_queries
from querist.web import webhooks

PATH = "/api/v1/webhooks/labels"


@pytest.fixture
def project(telling: Callable[..., Project], monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("QUERIST_INCOMING_SECRET", "theirs")
    return telling()


@pytest.fixture
def client(project: Project) -> TestClient:
    app = FastAPI()
    problems.install(app)
    app.include_router(webhooks.router(project))
    return TestClient(app)


def items(project: Project) -> list[str]:
    with project.ledger.begin() as tx:
        return [query.item for query in list_queries(tx, 0)]


def stored(project: Project) -> list[tuple[str, str | None, str]]:
    with project.ledger.begin() as tx:
        return [(a.item, a.label, a.annotator) for a in list_annotations(tx)]


def answer(item: str, label: str | None = "pos", **more: Any) -> dict[str, Any]:
    return {"id": f"theirs-{item}", "item": item, "label": label, "annotator": "eve", **more}


def send(project: Project, client: TestClient, body: Any, *, secret: str = "theirs", age: float = 0.0) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    at = int((project.clock() - timedelta(seconds=age)).timestamp())
    signed = hmac.new(secret.encode(), f"{at}.".encode() + raw, hashlib.sha256).hexdigest()
    return client.post(PATH, content=raw, headers={"querist-signature": f"t={at},v1={signed}"})


def test_signed_labels_are_stored(project: Project, client: TestClient) -> None:
    one, two = items(project)[:2]
    found = send(project, client, {"annotations": [answer(one, seconds=2.0), answer(two, None)]})
    assert (found.status_code, found.json()) == (200, {"read": 2, "added": 2, "unchanged": 0})
    assert stored(project) == [(one, "pos", "eve"), (two, None, "eve")]


@pytest.mark.parametrize("header", ["", "t=1", "t=x,v1=y", f"t=1,v1={'0' * 64}", f"t=99999999999999,v1={'0' * 64}"])
def test_a_header_of_another_form_is_refused(project: Project, client: TestClient, header: str) -> None:
    found = client.post(PATH, content=b"{}", headers={"querist-signature": header})
    assert (found.status_code, found.headers["content-type"]) == (401, "application/problem+json")
    assert stored(project) == []


def test_a_wrong_secret_or_an_old_signature_is_refused(project: Project, client: TestClient) -> None:
    body = {"annotations": [answer(items(project)[0])]}
    assert send(project, client, body, secret="ours").status_code == 401
    assert send(project, client, body, age=310).status_code == 401
    assert send(project, client, body, age=-310).status_code == 401
    assert stored(project) == []
    assert send(project, client, body, age=290).status_code == 200


def test_a_changed_body_does_not_fit_its_signature(project: Project, client: TestClient) -> None:
    raw = json.dumps({"annotations": [answer(items(project)[0])]}).encode()
    at = int(project.clock().timestamp())
    signed = hmac.new(b"theirs", f"{at}.".encode() + raw, hashlib.sha256).hexdigest()
    headers = {"querist-signature": f"t={at},v1={signed}"}
    assert client.post(PATH, content=raw.replace(b"pos", b"neg"), headers=headers).status_code == 401
    assert client.post(PATH, content=raw, headers=headers).status_code == 200
    assert client.post(PATH, content=raw, headers=headers).status_code == 409, "the same request again is a replay"


def test_a_delivery_is_taken_once_by_its_id(project: Project, client: TestClient) -> None:
    body = {"id": "d-1", "annotations": [answer("nobody")]}
    assert send(project, client, body).status_code == 400
    body["annotations"] = [answer(items(project)[0])]
    assert send(project, client, body).status_code == 200, "what was refused may be corrected"
    assert send(project, client, body).status_code == 409
    assert send(project, client, {**body, "id": "d-2"}).json() == {"read": 1, "added": 0, "unchanged": 1}


def test_one_wrong_annotation_refuses_all_and_is_named(project: Project, client: TestClient) -> None:
    one, two = items(project)[:2]
    snapshot = project.snapshot
    holdout = snapshot.take(np.flatnonzero(snapshot.splits() == TEST)[:1], ["id"])["id"][0].as_py()
    for wrong, status, said in [
        (answer("nobody"), 400, "annotation 2: no item has the id 'nobody'"),
        (answer(two, "great"), 400, "annotation 2: label 'great' is not among"),
        (answer(holdout), 409, f"annotation 2: item '{holdout}' is in the test split"),
        (answer(two, at="yesterday"), 400, "annotation 2: at = 'yesterday' is no time"),
        (answer(two, note="\0"), 400, "annotation 2: note holds characters"),
        (answer(two, seconds=-1), 400, "annotations.1.seconds"),
        (answer(two, secret="x"), 400, "annotations.1.secret"),
        ({"id": "12345678", "item": two}, 400, "annotations.1.label"),
    ]:
        found = send(project, client, {"annotations": [answer(one), wrong]})
        assert found.status_code == status, found.text
        assert said in found.json()["detail"]
    assert stored(project) == []


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"annotations": []}', b'"\\ud800"'])
def test_a_body_of_another_form_is_a_problem(project: Project, client: TestClient, body: bytes) -> None:
    assert send(project, client, body).status_code == 400


def test_without_a_secret_there_is_no_such_address(
    project: Project, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUERIST_INCOMING_SECRET", "")
    assert send(project, client, {"annotations": [answer(items(project)[0])]}, secret="").status_code == 404


def test_the_secret_that_signs_what_goes_out_opens_nothing(project: Project, client: TestClient) -> None:
    body = {"annotations": [answer(items(project)[0])]}
    assert send(project, client, body, secret="a secret for tests").status_code == 401


def test_the_document_describes_the_body(client: TestClient) -> None:
    found = client.get("/openapi.json").json()["paths"][PATH]["post"]
    schema = found["requestBody"]["content"]["application/json"]["schema"]
    assert "annotations" in json.dumps(schema)
    assert {"200", "400", "401", "404", "409", "413"} <= set(found["responses"])
