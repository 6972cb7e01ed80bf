"""A provider that answers, and projects that believe it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from querist.pipeline.accounts import people
from querist.pipeline.project import Project


class Clock:
    """Stands still until it is told to move."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def time() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def running() -> Iterator[Any]:  # Any: what needs the extra is imported late
    from oidc_provider import Provider, listening, served, url_of

    provider = Provider()
    with listening() as bound:
        provider.url = url_of(bound)
        with served(provider.app(), bound):
            yield provider


@pytest.fixture
def provider(running: Any, time: Clock) -> Any:
    running.reset()
    running.now = time
    return running


@pytest.fixture
def make(folder: Path, provider: Any, time: Clock, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Project]:
    """A project with the admin root and the lead lee@example.org, neither with a password; `more` are settings."""
    from oidc_provider import CLIENT, SECRET

    monkeypatch.setenv("QUERIST_OIDC_SECRET", SECRET)
    settings = folder / "querist.toml"
    plain = settings.read_text(encoding="utf-8")

    def project(more: str = "", *, lee: bool = True) -> Project:
        section = f'\n[oidc]\nissuer = "{provider.url}"\nclient_id = "{CLIENT}"\n{more}\n'
        settings.write_text(plain + section, encoding="utf-8")
        made = Project(folder, clock=time)
        people.add_user(made, "root", "admin", by="test")
        if lee:
            people.add_user(made, "lee@example.org", "lead", by="test")
        return made

    return project
