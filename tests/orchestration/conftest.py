"""A project whose holdout is labeled and whose pool is not, a server that takes labels, and a way to run programs."""

from __future__ import annotations

import csv
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from many_people import Server

from querist.pipeline.people import add_user, make_token
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
        with httpx.Client(base_url=url, headers=headers, timeout=30) as ann:
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
    spec = spec_from_file_location("install_orchestrators", Path(__file__).parent / "install_orchestrators.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)

    def found(name: str) -> Path:
        folder: Path | None = module.environment(name)
        if folder is None:
            pytest.skip(f"{name} is not installed (python tests/orchestration/install_orchestrators.py)")
        return folder

    return found


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a program, its output in a file beside; all of them end with the test."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(name: str, *command: object, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with (tmp_path / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [str(word) for word in command], env=dict(env), stdout=log, stderr=log, start_new_session=True
            )
        running.append(process)
        return process

    yield begin
    for process in running:
        end(process)


def end(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> None:
    """Ends a program with all that it started."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, how)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def ending() -> Callable[..., None]:
    return end


@pytest.fixture
def until() -> Callable[..., Any]:
    """Asks again and again until something true comes back; an HTTP error counts as not yet."""

    def asked(look: Callable[[], Any], what: str, seconds: float = 90.0) -> Any:
        import httpx

        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            try:
                if found := look():
                    return found
            except (httpx.HTTPError, KeyError, IndexError, ValueError):
                pass
            time.sleep(0.5)
        raise AssertionError(f"gave up waiting for {what}")

    return asked


@pytest.fixture
def free_port() -> Callable[[], int]:
    def found() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return found


@pytest.fixture
def killed_once() -> Callable[..., bool]:
    """Kills the first run in the background that is to bring a project's round so far, as a crash would."""

    def kill(shop: Shop, aim: str, seconds: float) -> bool:
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            for entry in Path("/proc").iterdir():
                try:
                    words = (entry / "cmdline").read_bytes().decode().split("\0") if entry.name.isdigit() else []
                except OSError:
                    continue
                if "--until" in words and aim in words and "--background" not in words and str(shop.folder) in words:
                    os.kill(int(entry.name), signal.SIGKILL)
                    return True
            time.sleep(0.02)
        return False

    return kill
