"""What tests of served models share."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

from querist.pipeline.deploy.bundling import build
from querist.pipeline.project import Project


def build_version(project: Project, folder: Path) -> str:
    return str(build(project, out=folder)["version"])


@contextmanager
def opened(app: FastAPI) -> Iterator[TestClient]:
    """A client on this machine, once the application is ready."""
    with TestClient(app, client=("127.0.0.1", 5), raise_server_exceptions=False) as client:
        until(lambda: client.get("/readyz").status_code == 200)
        yield client


@contextmanager
def running(app: FastAPI) -> Iterator[int]:
    """A real server in a thread; gives its port."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def until(holds: object, seconds: float = 300.0) -> None:
    assert callable(holds)
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.01)
