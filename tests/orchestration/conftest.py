"""A project whose holdout is labeled and whose pool is not, and a server that takes labels."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from machines import Server
from orchestrators import programs as installed

from querist.pipeline.accounts.people import add_user, make_token
from querist.pipeline.project import Project


class Shop:
    """The project, and the people who label it through the HTTP API of `querist serve`."""

    def __init__(self, project: Project, truth: Mapping[str, str]) -> None:
        self.project, self.folder, self.truth = project, project.folder, truth
        add_user(project, "ann", role="annotator", by="test")
        _, self.token = make_token(project, "ann", scopes=["tasks"], days=None, by="test")
        self.server = Server(self.folder)

    def label(self, *, at_most: int = 500) -> int:
        """Ann labels what is open; how many items that were."""
        import httpx

        headers = {"authorization": f"Bearer {self.token}"}
        url = f"http://127.0.0.1:{self.server.port}/api/v1"
        with httpx.Client(base_url=url, headers=headers, timeout=300) as ann:
            done = 0
            while done < at_most:
                wanted = {"tab": "t", "n": min(20, at_most - done)}
                tasks = ann.post("/tasks/lease", json=wanted).raise_for_status().json()["tasks"]
                if not tasks:
                    break
                said = [{"id": os.urandom(16).hex(), "item": t["item"], "label": self.truth[t["item"]]} for t in tasks]
                answer = ann.post("/annotations", json={"tab": "t", "annotations": said}).raise_for_status().json()
                assert {one["status"] for one in answer["results"]} == {"stored"}
                done += len(said)
        return done

    def set(self, text: str) -> None:
        """Adds to the settings."""
        path = self.folder / "querist.toml"
        path.write_text(f"{path.read_text()}\n{text}\n", encoding="utf-8")
        self.project = Project(self.folder)

    def workflow(self, tool: str, out: Path, *options: str) -> Path:
        self.querist("orchestrate", tool, "--out", str(out), *options)
        return out

    def querist(self, *command: str, expect: int = 0) -> str:
        line = [sys.executable, "-m", "querist", *command, "--project", str(self.folder)]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert done.returncode == expect, done.stderr + done.stdout
        return done.stdout


@pytest.fixture
def shop(folder: Path, reviews: Path, tmp_path: Path) -> Iterator[Shop]:
    pytest.importorskip("uvicorn", reason="the extra web is not installed")
    path = folder / "querist.toml"
    text = path.read_text(encoding="utf-8").replace('label = "label"', 'classes = ["neg", "pos"]')
    path.write_text(f"{text}\n[labeling]\nstart_rounds = false\n", encoding="utf-8")
    project = Project(folder)
    project.ingest(reviews)
    with reviews.open(encoding="utf-8", newline="") as file:
        truth = {row["id"]: row["label"] for row in csv.DictReader(file)}
    holdout = tmp_path / "holdout.csv"
    project.export_labels(holdout, holdout=80)
    with holdout.open(encoding="utf-8", newline="") as file:
        ids = [row["id"] for row in csv.DictReader(file)]
    holdout.write_text("id,label\n" + "".join(f"{id},{truth[id]}\n" for id in ids))
    project.import_labels(holdout, holdout=True)
    made = Shop(project, truth)
    yield made
    if made.server.process is not None:
        made.server.kill()


@pytest.fixture(scope="session")
def programs() -> Callable[[str], Path]:
    """The folder of an orchestrator's programs, in its own environment; skips where it is not installed."""

    def found(name: str) -> Path:
        folder = installed(name)
        if folder is None:
            pytest.skip(f"{name} is not installed (python tests/orchestration/install_orchestrators.py)")
        return folder

    return found
