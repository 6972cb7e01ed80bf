"""The served model and the mail that it meets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from machines import Server, until
from mail import Mail


@dataclass(frozen=True)
class Window:
    """`accuracy` of one model `version` on `n` mails."""

    what: str
    version: str
    n: int
    accuracy: float


class Traffic:
    """`querist deploy serve`, whose log keeps the mails, so that drift can become questions."""

    def __init__(self, folder: Path, log: Path) -> None:
        self._log = folder / "log"
        self.server = Server(folder, "deploy", "serve", "--log", self._log, "--log-keep", "texts", log=log)
        self.windows: list[Window] = []
        self._sent = 0

    def start(self) -> None:
        import httpx

        self.server.start()
        self._http = httpx.Client(base_url=self.server.url, timeout=300)
        until(lambda: self._http.get("/readyz").is_success, "the served model")

    def stop(self) -> None:
        self.server.end()

    def kill(self) -> None:
        """kill -9, once the log has all: what came in its last five seconds would be lost, as the manual says."""
        self.written()
        self.server.kill()
        self.start()

    def serves(self, version: str) -> None:
        """Waits until it has changed over to a model version."""
        until(lambda: self._http.get("/v1/model").json()["model_version"] == version, f"the change to {version}")

    def send(self, what: str, mails: Sequence[Mail], *, kill: bool = False) -> Window:
        """One request for each mail, named by its id, under which it may become an item of the project."""
        hits = 0
        for number, mail in enumerate(mails):
            if kill and number == len(mails) // 2:
                self.kill()
            hits += until(partial(self._label, mail), "an answer of the served model") == mail.label
            self._sent += 1
        version = self._http.get("/v1/model").json()["model_version"]
        self.windows.append(Window(what, version, len(mails), hits / len(mails)))
        return self.windows[-1]

    def _label(self, mail: Mail) -> str:
        """What is refused for want of time, or fails, is in no log, and may be sent again."""
        answer = self._http.post("/v1/predict", json={"text": mail.text}, headers={"x-request-id": mail.id})
        label: str = answer.raise_for_status().json()["predictions"][0]["label"]
        return label

    def written(self) -> None:
        """Waits until the log holds what was sent."""
        import pyarrow.parquet as pq

        def all_there() -> bool:
            return self._sent <= sum(int(pq.read_metadata(path).num_rows) for path in self._log.glob("*.parquet"))

        until(all_there, "the prediction log")
