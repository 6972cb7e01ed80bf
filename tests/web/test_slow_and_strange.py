"""Bodies that trickle, passwords before bodies, proxies that nobody named, pages that are not for you."""

from __future__ import annotations

import asyncio
import http.client
import re
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from web_client import ByHeader

from querist.http import limits
from querist.http.limits import BodyLimit
from querist.pipeline.accounts.people import add_user, audit_log
from querist.pipeline.project import Project
from querist.web.app import create_app

AsPerson = Callable[..., TestClient]
PASSWORD = "correct horse battery"


def answer_of(app: Any, receive: Any, path: str = "/api/v1/annotations") -> tuple[int, dict[bytes, bytes]]:
    """The status and headers of a POST whose body comes from `receive`."""
    told: list[Any] = []

    async def send(message: Any) -> None:
        told.append(message)

    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(b"content-length", b"9")], "client": ("10.0.0.9", 1), "server": ("localhost", 80),
        "scheme": "http", "http_version": "1.1",
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    return told[0]["status"], dict(told[0]["headers"])


async def _never(*_: Any) -> Any:
    raise AssertionError("nobody should have asked")


def test_a_body_that_trickles_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.3)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.1)
        return {"type": "http.request", "body": b"x", "more_body": True}

    status, headers = answer_of(BodyLimit(_never), receive)
    assert (status, headers[b"connection"]) == (408, b"close")


def test_a_large_upload_has_the_time_that_its_bytes_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.2)
    monkeypatch.setattr(limits, "LEAST_RATE", 1_000)
    parts = 6

    async def receive() -> dict[str, Any]:
        nonlocal parts
        parts -= 1
        await asyncio.sleep(0.1)
        return {"type": "http.request", "body": b"x" * 200, "more_body": parts > 0}

    async def app(_: Any, receive: Any, send: Any) -> None:
        assert len((await receive())["body"]) == 1_200
        await send({"type": "http.response.start", "status": 200, "headers": []})

    assert answer_of(BodyLimit(app), receive)[0] == 200


def test_a_stranger_to_the_ml_backend_is_refused_before_the_body_is_read(waiting: Project) -> None:
    app = create_app(waiting, gate=ByHeader())
    assert answer_of(app, _never, "/ml/predict")[0] == 403


def test_what_a_proxy_hands_on_is_not_from_this_machine(waiting: Project) -> None:
    client = TestClient(create_app(waiting, gate=ByHeader()), client=("127.0.0.1", 5))
    assert client.get("/ml/health").status_code == 200
    for name in ("x-forwarded-for", "forwarded", "x-real-ip"):
        assert client.get("/ml/health", headers={name: "127.0.0.1"}).status_code == 403


def post(port: int, path: str, form: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    """Once the server listens."""
    end = time.monotonic() + 30
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("POST", path, form, {"content-type": "application/x-www-form-urlencoded", **headers})
            return connection.getresponse()
        except ConnectionRefusedError:
            assert time.monotonic() < end
            time.sleep(0.05)


@pytest.mark.long
@pytest.mark.parametrize(("trusted", "address"), [([], "127.0.0.1"), (["127.0.0.1"], "203.0.113.9")])
def test_a_proxy_is_believed_only_where_it_was_named(waiting: Project, trusted: list[str], address: str) -> None:
    add_user(waiting, "lea", "admin", password=PASSWORD, by="test")
    options = [part for one in trusted for part in ("--forwarded-allow-ips", one)]
    command = [
        sys.executable,
        "-u",
        "-m",
        "querist",
        "serve",
        "--port",
        "0",
        "--project",
        str(waiting.folder),
        *options,
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        found = re.search(r":(\d+)/", server.stdout.readline())
        assert found
        body = f"name=lea&password={PASSWORD.replace(' ', '+')}"
        answer = post(int(found[1]), "/sign-in", body, {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"})
    finally:
        server.kill()
        server.communicate()
    assert answer.status == 303
    assert ("Secure" in str(answer.headers["set-cookie"])) == bool(trusted)
    assert audit_log(waiting)[-1].detail["address"] == address


def test_who_opens_a_page_of_others_reads_so(as_person: AsPerson, waiting: Project) -> None:
    ada = as_person("ada <b>")
    answer = ada.get("/lead", headers={"accept": "text/html"})
    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("text/html")
    assert "signed in as ada &lt;b&gt;, with the role annotator" in answer.text
    assert "takes the role lead" in answer.text
    for path, accept in (("/lead", "*/*"), ("/api/v1/status", "text/html")):
        problem = ada.get(path, headers={"accept": accept})
        assert (problem.status_code, problem.json()["status"]) == (403, 403)
    waiting.settings.labeling.__dict__["language"] = "de"
    german = TestClient(create_app(waiting, gate=ByHeader()), headers={"x-person": "ada", "accept": "text/html"})
    assert "Diese Seite ist nicht für Sie" in german.get("/lead/queue").text
