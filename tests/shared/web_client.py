"""What the tests of the web application share."""

from __future__ import annotations

from uuid import uuid4

from fastapi import Request
from fastapi.testclient import TestClient

from querist.pipeline.accounts.people import Person


class ByHeader:
    """A gate that believes what the request says; the real ones have tests of their own."""

    def person(self, request: Request) -> Person | None:
        name = request.headers.get("x-person")
        return Person(name, request.headers.get("x-role", "annotator")) if name else None  # type: ignore[arg-type]

    def csrf(self, request: Request) -> str:
        return ""


def lease(client: TestClient, n: int = 5, tab: str = "t") -> list[dict[str, object]]:
    answer = client.post("/api/v1/tasks/lease", json={"tab": tab, "n": n})
    assert answer.status_code == 200
    return answer.json()["tasks"]


def entry(item: object, label: str | None = "pos", **more: object) -> dict[str, object]:
    return {"id": uuid4().hex, "item": item, "label": label, **more}


def send(client: TestClient, *entries: dict[str, object]) -> list[dict[str, str]]:
    answer = client.post("/api/v1/annotations", json={"tab": "t", "annotations": list(entries)})
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]
