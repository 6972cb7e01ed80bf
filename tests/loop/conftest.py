"""Fixtures of the loop's tests."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from querist.pipeline.project import Project


@pytest.fixture
def project(folder: Path, reviews: Path, clock: Callable[[], datetime]) -> Project:
    opened = Project(folder, clock=clock)
    opened.ingest(reviews)
    return opened


@pytest.fixture(scope="session")
def change() -> Callable[[Path, str, str], None]:
    """Replaces a part of a project's querist.toml."""

    def change(folder: Path, old: str, new: str) -> None:
        path = folder / "querist.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


@pytest.fixture(scope="session")
def write_rows() -> Callable[[Path, list[dict[str, str]]], None]:
    def write_rows(path: Path, rows: list[dict[str, str]]) -> None:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)

    return write_rows
