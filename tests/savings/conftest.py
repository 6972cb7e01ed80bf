"""Projects whose savings are told."""

from __future__ import annotations

import re
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


@pytest.fixture
def project(
    start: Callable[..., Project],
    folder: Path,
    reviews: Path,
    clock: Callable[[], datetime],
    grown: Callable[..., Project],
) -> Project:
    """Every sixth review says the opposite of its label, so that random sampling may do better than what is reached."""
    opposite = {",pos,": ",neg,", ",neg,": ",pos,"}
    lines = reviews.read_text(encoding="utf-8").splitlines(keepends=True)
    lines[6::6] = [re.sub(",pos,|,neg,", lambda found: opposite[found[0]], line) for line in lines[6::6]]
    reviews.write_text("".join(lines), encoding="utf-8")

    def make() -> Project:
        made = start(objective="cost_per_label = 0.5\nseconds_per_label = 36")
        made.run(rounds=6, oracle="label")
        return made

    return grown("savings", folder, make, clock)
