"""Fixtures of the deployment's tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from querist.pipeline.project import Project


@pytest.fixture
def project(folder: Path, reviews: Path, clock: Callable[[], datetime], grown: Callable[..., Project]) -> Project:
    """The seed set and two rounds of four hundred reviews, answered by the column `label`."""

    def make() -> Project:
        opened = Project(folder, clock=clock)
        opened.ingest(reviews)
        opened.run(rounds=2, oracle="label")
        return opened

    return grown("deploy", folder, make, clock)


@pytest.fixture
def change(folder: Path, clock: Callable[[], datetime]) -> Callable[[str], Project]:
    """Adds to a project's querist.toml and opens it again."""

    def change(added: str) -> Project:
        path = folder / "querist.toml"
        path.write_text(path.read_text() + added)
        return Project(folder, clock=clock)

    return change
