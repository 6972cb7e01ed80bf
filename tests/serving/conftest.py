"""A deployed folder with two versions of one project, and clients of the application that serves it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("prometheus_client", reason="the extra serve is not installed")

from fastapi.testclient import TestClient
from served import build_version, opened

from querist.pipeline.project import Project
from querist.serving.app import create_app
from querist.serving.settings import ServingSettings
from querist.stages.deploy.bundle import activate

SETTINGS = """\
[project]
name = "reviews"
seed = 7
[objective]
metric = "accuracy"
[data]
id = "id"
text = ["text"]
label = "label"
[splits]
test = 0.2
[seed_set]
size = 20
[learner]
name = "tfidf-logistic"
[learner.encoder_params]
chars = []
[query]
strategy = "uncertainty"
batch_size = 10
[evaluation]
resamples = 100
[deploy]
risk = 0.4
"""

Serve = Callable[..., AbstractContextManager[TestClient]]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, make_reviews: Callable[..., Path]) -> tuple[Path, list[str]]:
    """The folder, and its versions from the oldest: the model after one round, and the one after two."""
    base = tmp_path_factory.mktemp("served")
    (base / "querist.toml").write_text(SETTINGS, encoding="utf-8")
    project = Project(base)
    project.ingest(make_reviews(base / "reviews.csv"))
    versions = []
    for rounds in (1, 2):
        project.run(rounds=rounds, oracle="label")
        versions.append(build_version(project, base / "deploy"))
    return base / "deploy", versions


@pytest.fixture
def deployed(built: tuple[Path, list[str]], tmp_path: Path) -> tuple[Path, list[str]]:
    """A copy in which the older version is current."""
    folder, versions = built
    shutil.copytree(folder, tmp_path / "deploy")
    activate(tmp_path / "deploy", versions[0])
    return tmp_path / "deploy", versions


@pytest.fixture
def serve(deployed: tuple[Path, list[str]]) -> Serve:
    """A client of the served folder, once it is ready; keyword arguments are settings."""

    @contextmanager
    def start(**settings: Any) -> Iterator[TestClient]:
        app = create_app(deployed[0], ServingSettings(**{"poll_seconds": 0.05, **settings}))
        with opened(app) as client:
            yield client

    return start
