"""Rounds that open by themselves: `querist run` in a process of its own, so that labeling never waits for training."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import Literal

from querist.pipeline.project import Project
from querist.pipeline.rounds import due

SECONDS = 1.0
PATIENCE = 60.0
"""Seconds before a run that failed is tried again."""


@dataclass(frozen=True)
class State:
    """`labeling`: a round is open; `training`: the next one is being made; `over` and `failed` say why."""

    kind: Literal["labeling", "training", "over", "failed"]
    since: str
    why: str = ""


class Trainer:
    """Looks once a second whether the open round is complete, and runs the loop when it is."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._process: subprocess.Popen[str] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="querist-trainer", daemon=True)
        self.state = State("labeling", project.clock().isoformat())

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, and a run that is under way: its steps are safe to repeat."""
        self._stop.set()
        if self._process is not None:
            self._process.terminate()
        self._thread.join()

    def _watch(self) -> None:
        wait = SECONDS
        while not self._stop.wait(wait):
            wait = SECONDS
            why = due(self._project)
            if why is None:
                self._tell("labeling")
            elif why.over:
                self._tell("over", why.reason)
            else:
                self._tell("training", why.reason)
                wait = SECONDS if self._run() else PATIENCE

    def _run(self) -> bool:
        command = [sys.executable, "-m", "querist", "run", "--project", str(self._project.folder)]
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        _, said = self._process.communicate()
        worked = self._process.returncode == 0
        self._process = None
        if not worked:
            self._tell("failed", (said or "").strip().splitlines()[-1] if said else "the run was ended")
        return worked

    def _tell(self, kind: Literal["labeling", "training", "over", "failed"], why: str = "") -> None:
        if (self.state.kind, self.state.why) != (kind, why):
            self.state = State(kind, self._project.clock().isoformat(), why)
