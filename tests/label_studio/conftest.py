"""A project that waits for labels, and a Label Studio of our own to label it in."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from machines import free_port

from querist.pipeline.exchange.label_studio import push
from querist.pipeline.project import Project

TOKEN = "0123456789abcdef0123456789abcdef01234567"
EMAIL = "lead@example.com"
GOOD = ("great", "lovely", "superb", "charming", "fine", "warm", "clever", "bright")
START_SECONDS = 240
httpx = pytest.importorskip("httpx", reason="the extra web is not installed")


@pytest.fixture
def project(folder: Path, reviews: Path, clock: Callable[[], datetime]) -> Project:
    """Twenty open queries of a seed set, nobody's answers; the labels that came with the data are in the holdout."""
    path = folder / "querist.toml"
    text = path.read_text(encoding="utf-8").replace('label = "label"', 'classes = ["neg", "pos"]')
    path.write_text(text, encoding="utf-8")
    made = Project(folder, clock=clock)
    made.ingest(reviews)
    assert made.run().status == "waiting"
    return made


@dataclass(frozen=True)
class Server:
    """A running Label Studio and an account in it."""

    url: str
    http: Any  # Any: httpx.Client

    def project(self, number: int) -> dict[str, Any]:
        return self.http.get(f"/api/projects/{number}").raise_for_status().json()

    def tasks(self, number: int) -> list[dict[str, Any]]:
        params = {"project": number, "page_size": 500, "fields": "all"}
        return self.http.get("/api/tasks", params=params).raise_for_status().json()["tasks"]

    def next(self, number: int) -> dict[str, Any]:
        return self.http.get(f"/api/projects/{number}/next").raise_for_status().json()

    def annotate(self, task: int, label: str | None, *, seconds: float = 1.5) -> int:
        """What Label Studio's page sends when a person chooses a label, or skips."""
        body = {"result": choice(label), "lead_time": seconds, "was_cancelled": label is None}
        return self.http.post(f"/api/tasks/{task}/annotations/", json=body).raise_for_status().json()["id"]

    def correct(self, annotation: int, label: str, *, seconds: float) -> None:
        body = {"result": choice(label), "lead_time": seconds}
        self.http.patch(f"/api/annotations/{annotation}/", json=body).raise_for_status()

    def delete(self, annotation: int) -> None:
        self.http.delete(f"/api/annotations/{annotation}/").raise_for_status()

    def truth(self, task: dict[str, Any]) -> str:
        return "pos" if any(word in task["data"]["text"].split() for word in GOOD) else "neg"

    def answer_all(self, number: int) -> None:
        for task in self.tasks(number):
            if not task["annotations"]:
                self.annotate(task["id"], self.truth(task))


def choice(label: str | None) -> list[dict[str, Any]]:
    if label is None:
        return []
    return [{"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": [label]}}]


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Started on a free port of the loopback interface, with its data in a temporary folder."""
    found = installed()
    if found is None:
        pytest.skip("Label Studio is not installed (python tests/label_studio/install.py)")
    data = tmp_path_factory.mktemp("label-studio")
    port = free_port()
    settings = {"ML_BLOCK_LOCAL_IP": "0", "SSRF_PROTECTION_ENABLED": "0", "COLLECT_ANALYTICS": "0"}
    settings |= {"LATEST_VERSION_CHECK": "0", "SENTRY_DSN": "", "LABEL_STUDIO_BASE_DATA_DIR": str(data)}
    account = ["--username", EMAIL, "--password", "a-password-1", "--user-token", TOKEN, "--enable-legacy-api-token"]
    where = ["--data-dir", data, "--port", str(port), "--internal-host", "127.0.0.1"]
    with (data / "log").open("w") as log:
        process = subprocess.Popen(
            [found, "start", "--no-browser", *where, *account],
            env={**os.environ, **settings},
            cwd=data,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(url, process, data / "log")
        with httpx.Client(base_url=url, headers={"Authorization": f"Token {TOKEN}"}, timeout=60) as client:
            yield Server(url, client)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


@pytest.fixture
def there(label_studio: Any, project: Project, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Label Studio, named in the project's settings."""
    path = project.folder / "querist.toml"
    path.write_text(f'{path.read_text()}\n[label_studio]\nurl = "{label_studio.url}"\ntoken_env = "LS_TOKEN"\n')
    monkeypatch.setenv("LS_TOKEN", label_studio.http.headers["Authorization"].removeprefix("Token "))
    return label_studio


@pytest.fixture
def work(project: Project, there: Any, clock: Callable[[], datetime]) -> Project:
    return Project(project.folder, clock=clock)


@pytest.fixture
def own(there: Any, work: Project) -> Iterator[int]:
    """The number of the project that the first push makes, deleted at the end."""
    number = push(work).project
    yield number
    there.http.delete(f"/api/projects/{number}/")


def installed() -> Path | None:
    spec = spec_from_file_location("install_label_studio", Path(__file__).parent / "install.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.command()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    raise AssertionError(f"Label Studio did not start within {START_SECONDS} s: {log.read_text()[-2000:]}")
