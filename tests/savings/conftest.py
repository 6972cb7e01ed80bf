"""Projects whose savings are told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from querist.pipeline.project import Project


@pytest.fixture
def start(folder: Path, reviews: Path, clock: Callable[[], datetime]) -> Callable[..., Project]:
    """A project on the reviews, with parts of its settings replaced."""

    def start(**replaced: str) -> Project:
        path = folder / "querist.toml"
        text = path.read_text()
        for section, lines in replaced.items():
            assert f"[{section}]\n" in text
            text = text.replace(f"[{section}]\n", f"[{section}]\n{lines}\n")
        path.write_text(text)
        project = Project(folder, clock=clock)
        project.ingest(reviews)
        return project

    return start
