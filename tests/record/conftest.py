"""Fixtures of the record's tests."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from querist.pipeline.project import Project


@pytest.fixture
def project(folder: Path, reviews: Path, clock: Callable[[], datetime]) -> Project:
    """Four hundred reviews in a snapshot, and no round yet."""
    opened = Project(folder, clock=clock)
    opened.ingest(reviews)
    return opened


@pytest.fixture
def run(folder: Path, reviews: Path, clock: Callable[[], datetime], grown: Callable[..., Project]) -> Project:
    """The seed set and two rounds of four hundred reviews, answered by the column `label`."""

    def make() -> Project:
        opened = Project(folder, clock=clock)
        opened.ingest(reviews)
        opened.run(rounds=2, oracle="label")
        return opened

    return grown("record", folder, make, clock)


@pytest.fixture(scope="session")
def change() -> Callable[[Path, str, str], None]:
    """Replaces a part of a project's querist.toml."""

    def change(folder: Path, old: str, new: str) -> None:
        path = folder / "querist.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


@pytest.fixture
def tamper(folder: Path) -> Callable[..., None]:
    """Changes rows of the ledger behind querist's back, as somebody with the file could."""

    def tamper(statement: str, *values: object) -> None:
        with closing(sqlite3.connect(folder / ".querist" / "ledger.db")) as database, database:
            for (name,) in database.execute("select name from sqlite_master where type = 'trigger'").fetchall():
                database.execute(f"drop trigger {name}")
            assert database.execute(statement, values).rowcount > 0

    return tamper


@pytest.fixture(scope="session")
def rendered() -> Callable[[str], str]:
    """Markdown as HTML, with the tables that most readers know."""
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render
