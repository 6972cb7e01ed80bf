"""People who label through the HTTP API of `querist serve`, and are patient with a server that dies."""

from __future__ import annotations

import http.client
import json
import random
import socket
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4


class Annotator(threading.Thread):
    """Takes items `batch` at a time and answers each by a request of its own, again until it is acknowledged.

    Without items the day is over, unless `over` is given: then new ones may come until it is set.
    """

    def __init__(
        self,
        port: int,
        token: str,
        answer: Callable[[str, random.Random], str],
        *,
        think: float = 0.0,
        batch: int = 20,
        over: threading.Event | None = None,
    ) -> None:
        super().__init__(daemon=True)
        self.port, self.token, self.answer, self.think, self.batch = port, token, answer, think, batch
        self.over = over
        self.tab = uuid4().hex
        self.dice = random.Random(token)
        self.times: dict[str, list[float]] = {"next": [], "submit": []}
        self.acknowledged: list[str] = []
        self.failed = 0
        self.connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        time.sleep(self.think * self.dice.random())
        while not (self.over and self.over.is_set()):
            tasks = self.post("next", "/api/v1/tasks/lease", {"tab": self.tab, "n": self.batch})["tasks"]
            if not tasks and self.over is None:
                return
            if not tasks:
                time.sleep(0.2)
            for task in tasks:
                time.sleep(self.think * self.dice.uniform(0.5, 1.5))
                said = {"id": uuid4().hex, "item": task["item"], "label": self.answer(task["item"], self.dice)}
                found = self.post("submit", "/api/v1/annotations", {"tab": self.tab, "annotations": [said]})
                if found["results"][0]["status"] not in ("stored", "known"):
                    raise AssertionError(f"an answer was refused: {found['results'][0]['why']}")
                self.acknowledged.append(said["id"])

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
