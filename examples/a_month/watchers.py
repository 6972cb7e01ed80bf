"""Prometheus and Alertmanager, which watch the loop with the files that querist writes for them."""

from __future__ import annotations

import shutil
from pathlib import Path

from machines import Program, Server, free_port, querist

from querist.pipeline.accounts.people import add_user, make_token
from querist.pipeline.project import Project

SHORTER = {
    "15s": "2s",
    "for: 1m": "for: 4s",
    "group_wait: 10s": "group_wait: 1s",
    "group_interval: 5m": "group_interval: 10s",
}
"""The days are played, so nobody waits as long as in life."""


def installed() -> bool:
    return all(map(shutil.which, ("prometheus", "prometheus-alertmanager")))


class Watchers:
    """Both, started as the manual says. What they say is an alert, and Alertmanager has querist open a round for it."""

    def __init__(self, project: Path, scratch: Path, loop: Server, served: Server) -> None:
        if not installed():
            raise SystemExit("Prometheus is not installed; Debian: apt-get install prometheus prometheus-alertmanager")
        self._ops = ops = scratch / "ops"
        queries, alerts = (f"127.0.0.1:{free_port()}" for _ in range(2))
        add_user(Project(project), "ops", "lead", by="play")
        querist(project, "metrics", "write", ops, "--address", loop.url, "--serving", served.url)
        _, token = make_token(Project(project), "ops", ["rounds"], days=None, by="play")
        (ops / "querist-rounds.token").write_text(token, encoding="utf-8")
        for file in ops.glob("*.yml"):
            text = file.read_text(encoding="utf-8")
            for long, short in {**SHORTER, "127.0.0.1:9093": alerts}.items():
                text = text.replace(long, short)
            file.write_text(text, encoding="utf-8")
        self._programs = [
            self._program(
                "prometheus-alertmanager", alerts, "alertmanager.yml", "storage.path", "--cluster.listen-address="
            ),
            self._program("prometheus", queries, "prometheus.yml", "storage.tsdb.path"),
        ]

    def start(self) -> None:
        for program in self._programs:
            program.start()

    def kill(self) -> None:
        """kill -9, and started again; what an alert has opened it opens no second time."""
        for program in self._programs:
            program.kill()
        self.start()

    def stop(self) -> None:
        for program in self._programs:
            program.end()

    def _program(self, name: str, address: str, config: str, data: str, *more: str) -> Program:
        words = [
            f"--config.file={self._ops / config}",
            f"--web.listen-address={address}",
            f"--{data}={self._ops / name}",
        ]
        return Program(self._ops.parent / f"{name}.log", name, *words, *more)
