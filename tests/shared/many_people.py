"""Many annotators at once against one real server, which may be killed at any moment."""

from __future__ import annotations

import http.client
import json
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

from querist.pipeline.people import add_user, make_token
from querist.pipeline.project import Project
from querist.store.annotations import list_annotations

SETTINGS = """\
[project]
name = "crowd"
[data]
id = "id"
text = ["text"]
classes = ["pos", "neg"]
[splits]
validation = 0
test = 0
[seed_set]
size = {n}
draw = "random"
[labeling]
overlap = {overlap}
start_rounds = false
[storage]
ledger = "{ledger}"
"""


def make_project(folder: Path, n: int, *, overlap: int, ledger: str = "sqlite:///.querist/ledger.db") -> Project:
    """A project that has asked n items."""
    (folder / "querist.toml").write_text(SETTINGS.format(n=n, overlap=overlap, ledger=ledger))
    rows = "".join(f"r{i},item number {i} says {i * 7919 % 10007}\n" for i in range(n))
    (folder / "items.csv").write_text("id,text\n" + rows)
    project = Project(folder)
    project.ingest(folder / "items.csv")
    assert project.run().missing == n
    return project


class Server:
    """`querist serve` on a port of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "querist", "serve", "--port", str(self.port), "--project", str(self.folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise TimeoutError("the server did not start")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


class Annotator(threading.Thread):
    """Takes items twenty at a time and answers each by a request of its own, again until it is acknowledged."""

    def __init__(self, port: int, token: str, *, think: float = 0.0, batch: int = 20) -> None:
        super().__init__(daemon=True)
        self.port, self.token, self.think, self.batch = port, token, think, batch
        self.tab = uuid4().hex
        self.dice = random.Random(token)
        self.times: dict[str, list[float]] = {"next": [], "submit": []}
        self.failed = 0
        self.connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        time.sleep(self.think * self.dice.random())
        while tasks := self.post("next", "/api/v1/tasks/lease", {"tab": self.tab, "n": self.batch})["tasks"]:
            for task in tasks:
                time.sleep(self.think * self.dice.uniform(0.5, 1.5))
                answer = {"id": uuid4().hex, "item": task["item"], "label": self.dice.choice(["pos", "neg"])}
                found = self.post("submit", "/api/v1/annotations", {"tab": self.tab, "annotations": [answer]})
                assert found["results"][0]["status"] in ("stored", "known"), found

    def post(self, what: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        while True:
            start = time.perf_counter()
            try:
                if self.connection is None:
                    self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                    self.connection.connect()
                    self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
                self.connection.request("POST", path, json.dumps(body), headers)
                answer = self.connection.getresponse()
                data = answer.read()
            except (OSError, http.client.HTTPException):
                self.failed += 1
                self.connection = None
                time.sleep(0.1)
                continue
            if answer.status != 200:
                raise AssertionError(f"{path}: {answer.status} {data.decode()}")
            self.times[what].append(time.perf_counter() - start)
            found: dict[str, Any] = json.loads(data)
            return found


def play(
    project: Project, n_people: int, *, kills: int = 0, seconds_between: float = 2.0, think: float = 0.0
) -> dict[str, Any]:
    """All items answered by n people, each of whom thinks for about `think` seconds before an answer; the server is
    killed and started again `kills` times in the middle.
    """
    names = [f"p{i}" for i in range(n_people)]
    for name in names:
        add_user(project, name, "annotator", by="test")
    tokens = [make_token(project, name, ["tasks"], days=None, by="test")[1] for name in names]
    server = Server(project.folder)
    server.start()
    people = [Annotator(server.port, token, think=think) for token in tokens]
    start = time.perf_counter()
    for person in people:
        person.start()
    dice = random.Random(time.time_ns())
    killed = 0
    while any(person.is_alive() for person in people):
        time.sleep(dice.uniform(0.5, 1.5) * seconds_between)
        if killed < kills and any(person.is_alive() for person in people):
            server.kill()
            killed += 1
            server.start()
    seconds = time.perf_counter() - start
    server.kill()
    with project.ledger.begin() as tx:
        made = list_annotations(tx)
    return {
        "seconds": seconds,
        "kills": killed,
        "failed_requests": sum(person.failed for person in people),
        "acknowledged": sum(len(person.times["submit"]) for person in people),
        "answers": Counter(a.item for a in made),
        "pairs": len({(a.item, a.annotator) for a in made}),
        "next": sorted(t for person in people for t in person.times["next"]),
        "submit": sorted(t for person in people for t in person.times["submit"]),
    }
