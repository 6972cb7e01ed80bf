"""A project, its gate, and an application behind it as `querist serve` builds one."""

# No `from __future__ import annotations`: FastAPI could not read the annotations of routes made inside a function.
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import pytest

from querist.pipeline.accounts.people import Person, add_user
from querist.pipeline.project import Project

PASSWORD = "correct horse battery"


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


@pytest.fixture
def project(folder: Path, time: Clock) -> Project:
    return Project(folder, clock=time)


@pytest.fixture(scope="session")
def hired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ledger's folder of a team, made once: each password takes argon2 a while."""
    folder = tmp_path_factory.mktemp("team")
    (folder / "querist.toml").write_text("")
    project = Project(folder, clock=Clock())
    for name, role in (("ada", "annotator"), ("lee", "lead"), ("root", "admin")):
        add_user(project, name, role, password=PASSWORD, by="test")
    project.ledger.close()
    return folder / ".querist"


@pytest.fixture
def team(project: Project, hired: Path) -> Project:
    """The project with ada (annotator), lee (lead) and root (admin), all with one password."""
    shutil.copytree(hired, project.folder / ".querist")
    return project


def an_app(project: Project, gate: Any) -> Any:
    from fastapi import Depends, FastAPI
    from starlette.middleware import Middleware

    from querist.http import problems
    from querist.web.door import Door
    from querist.web.people import Admin, Annotator, Lead, needs
    from querist.web.sign_in import router

    app = FastAPI(middleware=[Middleware(Door, gate=gate)])
    app.state.gate = gate
    problems.install(app)
    app.include_router(router(project, gate))

    @app.get("/")
    def page(person: Annotator) -> dict[str, str]:
        return {"name": person.name, "role": person.role}

    @app.post("/api/v1/work")
    def work(person: Annotator) -> dict[str, str]:
        return {"name": person.name}

    @app.get("/lead/")
    def lead(person: Lead) -> dict[str, str]:
        return {"name": person.name}

    @app.get("/api/v1/labels/export")
    def export(person: Annotated[Person, Depends(needs("lead", "labels"))]) -> dict[str, str]:
        return {"name": person.name}

    @app.post("/api/v1/admin")
    def admin(person: Admin) -> dict[str, str]:
        return {"name": person.name}

    return app


@pytest.fixture
def make_app() -> Callable[[Project, Any], Any]:
    return an_app


@pytest.fixture
def browser(team: Project) -> Callable[..., Any]:
    """A browser of its own at each call, all of one server."""
    from fastapi.testclient import TestClient

    from querist.web.auth import Gate

    app = an_app(team, Gate(team, names=["label.example"]))

    def open_(address: str = "10.0.0.1", base_url: str = "http://localhost") -> Any:
        return TestClient(app, base_url=base_url, client=(address, 50_000), follow_redirects=False)

    return open_


@pytest.fixture
def sign_in(browser: Callable[..., Any]) -> Callable[..., Any]:
    """A browser in which somebody has signed in."""

    def enter(name: str, **where: str) -> Any:
        client = browser(**where)
        done = client.post("/sign-in", data={"name": name, "password": PASSWORD})
        assert done.status_code == 303, done.text
        return client

    return enter
