"""A real receiver in a thread, and a project that tells it what happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from querist.pipeline.project import Project
from querist.store.annotations import Annotation, add_annotations
from querist.store.rounds import list_queries

SECRET = "a secret for tests"


@dataclass
class Receiver:
    """Answers with `statuses` in turn (the last one again and again), each after `seconds`."""

    url: str = ""
    statuses: list[int] = field(default_factory=lambda: [200])
    seconds: float = 0.0
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def receive() -> Iterator[Callable[[], Receiver]]:
    servers = []

    def start() -> Receiver:
        receiver = Receiver()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
                time.sleep(receiver.seconds)
                status = receiver.statuses.pop(0) if len(receiver.statuses) > 1 else receiver.statuses[0]
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("location", f"{receiver.url}/elsewhere")
                self.end_headers()
                self.wfile.write(b"x" * 100_000)

            def log_message(self, format: str, *args: object) -> None:
                return None

            def handle(self) -> None:
                try:
                    super().handle()
                except ConnectionError:
                    return None

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
        return receiver

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def receiver(receive: Callable[[], Receiver]) -> Receiver:
    return receive()


@pytest.fixture
def telling(
    folder: Path, reviews: Path, clock: Callable[[], datetime], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Project]:
    """A project with a round of 20 open items that tells these addresses."""
    monkeypatch.setenv("QUERIST_WEBHOOK_SECRET", SECRET)

    def make(*urls: str, more: str = "allow_private = true") -> Project:
        settings = folder / "querist.toml"
        text = settings.read_text().replace('label = "label"\n', 'classes = ["neg", "pos"]\n')
        settings.write_text(f"{text}\n[webhooks]\nurls = {list(urls)}\n{more}\n")
        project = Project(folder, clock=clock)
        project.ingest(reviews)
        project.run()
        return project

    return make


@pytest.fixture
def say() -> Callable[..., None]:
    def say(project: Project, label: str | None, *places: int, **more: object) -> None:
        """Answers the items at these ranks."""
        with project.ledger.begin() as tx:
            for query in list_queries(tx, 0):
                if query.rank in places:
                    made = Annotation(
                        f"said-{query.rank:04d}-{label}", query.item, query.position, "pool", label, "ada"
                    )
                    add_annotations(tx, [made._replace(**more)], now=project.clock())

    return say
