"""`querist deploy serve` answers with the current version and follows promotions and rollbacks."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from querist.cli import cli
from querist.pipeline.deploy.bundling import build
from querist.pipeline.deploy.deploying import promote, rollback
from querist.pipeline.project import Project
from querist.stages.deploy import bundle
from querist.store.models import list_models


def version_at(address: str) -> str:
    with urllib.request.urlopen(f"{address}/readyz", timeout=300) as got:
        return str(json.load(got)["version"])


def becomes(address: str, version: str) -> bool:
    end = time.monotonic() + 300
    while time.monotonic() < end:
        try:
            if version_at(address) == version:
                return True
        except OSError:  # not ready yet
            pass
        time.sleep(0.2)
    return False


@pytest.mark.long
def test_the_served_version_follows_the_folder(project: Project) -> None:
    for needed in ("fastapi", "uvicorn", "prometheus_client"):
        pytest.importorskip(needed, reason="the extra serve is not installed")
    first, *_, newest = known(project)
    one = promote(project, first, force="test")
    command = [sys.executable, "-m", "querist", "deploy", "serve", "--project", str(project.folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().removeprefix("answers at ").strip()
        try:
            assert becomes(address, one["version"])
            two = promote(project, newest, force="test")
            assert becomes(address, two["version"])
            rollback(project)
            assert becomes(address, one["version"])
        finally:
            server.send_signal(signal.SIGINT)
            server.communicate(timeout=300)


def test_without_the_extra_it_says_what_to_install(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = CliRunner().invoke(cli, ["deploy", "serve", "--project", str(project.folder)])
    assert "pip install 'querist[serve]'" in str(done.exception)


def test_whoever_reads_while_versions_change_sees_one_that_is_there(project: Project) -> None:
    folder = project.folder / "deploy"
    versions = [build(project, version)["version"] for version in known(project)]
    bundle.activate(folder, versions[0])
    seen, done = set(), threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(bundle.current(folder))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(40):
        bundle.activate(folder, versions[turn % len(versions)])
    done.set()
    reader.join()
    assert seen == set(versions)
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == [".dockerignore"]


def test_a_build_that_was_killed_leaves_no_version_behind(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", die)
        with pytest.raises(KeyboardInterrupt):
            build(project)
    assert bundle.versions(project.folder / "deploy") == []
    built = build(project)
    assert bundle.versions(project.folder / "deploy") == [built["version"]]


def known(project: Project) -> list[str]:
    with project.ledger.read() as tx:
        return [model.version for model in list_models(tx)]
