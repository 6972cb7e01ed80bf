"""The whole application: nothing of it is answered to strangers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra web is not installed")
pytest.importorskip("argon2", reason="the extra web is not installed")
from fastapi.testclient import TestClient

from querist.pipeline.accounts.people import make_token
from querist.pipeline.project import Project
from querist.web.app import create_app
from querist.web.auth import Gate

OPEN = ("/sign-in", "/sign-out", "/invite/", "/password", "/static", "/api/v1/openapi.json", "/ml", "/api/v1/webhooks/")
"""Doors themselves, what is the same for everybody, and what is called by machines with proofs of their own."""


def test_without_signing_in_no_route_is_answered(team: Project) -> None:
    asked = 0
    client = TestClient(create_app(team, gate=Gate(team)), base_url="http://localhost", follow_redirects=False)
    for path, methods in routes(client.app):
        for method in methods if not path.startswith(OPEN) else ():
            url = path.replace("{", "").replace("}", "")
            answer = client.request(method, url)
            shown = f"{method} {path}: {answer.status_code}"
            assert answer.status_code in (401, 303), shown
            assert answer.status_code != 303 or answer.headers["location"].startswith("/sign-in"), shown
            asked += 1
    assert asked >= 6


def routes(app: Any) -> list[tuple[str, set[str]]]:
    paths = app.openapi()["paths"]
    documented = [(path, {verb.upper() for verb in verbs}) for path, verbs in paths.items()]
    return [*documented, ("/", {"GET"}), ("/lead", {"GET"})]


def test_an_image_is_not_reached_by_a_path(team: Project, sign_in: Any, folder: Path) -> None:
    client = sign_in("ada")
    app = TestClient(create_app(team, gate=Gate(team)), base_url="http://localhost", follow_redirects=False)
    app.cookies.update(client.cookies)
    for path in (
        "/images/../querist.toml",
        "/images/..%2f..%2fquerist.toml",
        "/static/../people.py",
        "/static/%2e%2e/app.py",
    ):
        answer = app.get(path)
        assert answer.status_code in (404, 422), path
        assert "import" not in answer.text


@pytest.mark.parametrize(("scope", "may"), [("labels", True), ("rounds", True), ("tasks", False)])
def test_a_token_for_labels_gets_them_out_as_well_as_in(team: Project, scope: str, may: bool) -> None:
    _, token = make_token(team, "lee", [scope], days=None, by="test")
    client = TestClient(create_app(team, gate=Gate(team)), base_url="http://localhost")
    for path in ("/api/v1/annotations", "/api/v1/labels/export?format=nothing"):
        refused = client.get(path, headers={"authorization": f"Bearer {token}"}).status_code == 403
        assert refused is not may, path
