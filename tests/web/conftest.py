"""A project that waits for labels, and its web application."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from querist.pipeline.project import Project

pytest.importorskip("fastapi", reason="the extra web is not installed")

from fastapi import Request
from fastapi.testclient import TestClient

from querist.web.app import create_app
from querist.web.people import Person


class ByHeader:
    """A gate that believes what the request says; the real ones have tests of their own."""

    def person(self, request: Request) -> Person | None:
        name = request.headers.get("x-person")
        return Person(name, request.headers.get("x-role", "annotator")) if name else None  # type: ignore[arg-type]


@pytest.fixture
def waiting(folder: Path, reviews: Path) -> Project:
    """Its seed set of 20 items has been asked; no label is known in the pool."""
    text = (folder / "querist.toml").read_text()
    (folder / "querist.toml").write_text(
        text.replace('label = "label"', 'classes = ["pos", "neg"]').replace(
            'context = ["product"]', 'context = ["product", "label"]'
        )
    )
    project = Project(folder)
    project.ingest(reviews)
    assert project.run().status == "waiting"
    return project


@pytest.fixture
def as_person(waiting: Project) -> Callable[..., TestClient]:
    """A client that speaks as the person named."""
    app = create_app(waiting, gate=ByHeader())

    def client(name: str, role: str = "annotator") -> TestClient:
        return TestClient(app, headers={"x-person": name, "x-role": role} if name else {})

    return client
