"""A project that waits for labels, and its web application."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from querist.pipeline.project import Project

pytest.importorskip("fastapi", reason="the extra web is not installed")

from fastapi.testclient import TestClient
from web_client import ByHeader

from querist.web.app import create_app


@pytest.fixture
def waiting(folder: Path, reviews: Path, grown: Callable[..., Project]) -> Project:
    """Its seed set of 20 items has been asked; no label is known in the pool."""

    def make() -> Project:
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

    return grown("web", folder, make)


@pytest.fixture
def as_person(waiting: Project) -> Callable[..., TestClient]:
    """A client that speaks as the person named."""
    app = create_app(waiting, gate=ByHeader())

    def client(name: str, role: str = "annotator") -> TestClient:
        return TestClient(app, headers={"x-person": name, "x-role": role} if name else {})

    return client
