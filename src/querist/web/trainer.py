"""Rounds that open by themselves: `querist run` in a process of its own, so that labeling never waits for training."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from querist.core.errors import QueristError
from querist.pipeline.project import Project
from querist.pipeline.rounds import due, next_step

Kind = Literal["labeling", "complete", "training", "over", "failed"]
SECONDS = 1.0
PATIENCE = 60.0
"""Seconds before a run that failed or changed nothing is tried again."""
LOG = logging.getLogger("querist.trainer")


@dataclass(frozen=True)
class State:
    """`labeling`: a round is open; `complete`: the next one waits to be started; `training`: it is being made; `over`
    and `failed` say why, and `which` what is over: the goal, a budget, the deadline or the pool."""

    kind: Kind
    since: str
    why: str = ""
    which: str = ""


class Trainer:
    """Looks once a second whether the open round is complete, and then runs the loop, by itself or when asked."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._process: subprocess.Popen[str] | None = None
        self._failure = ""  # of the last run
        self._stop, self._asked = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="querist-trainer", daemon=True)
        self.state = State("labeling", project.clock().isoformat())

    @property
    def _starts(self) -> bool:
        """Whether rounds start by themselves; an orchestrator would start them as well."""
        settings = self._project.settings
        return settings.labeling.start_rounds and not settings.orchestration.told

    def start(self) -> None:
        self._thread.start()

    def look(self) -> None:
        """Starts the next round if it is due, even where rounds do not start by themselves."""
        self._asked.set()

    def told(self) -> dict[str, Any]:
        """What annotators may know of the state: nothing of an error, which is the lead's."""
        state = self.state
        return {
            "state": state.kind,
            "seconds": max((self._project.clock() - datetime.fromisoformat(state.since)).total_seconds(), 0.0),
            "step": next_step(self._project) if state.kind == "training" else "",
            "over": state.which,
        }

    def stop(self) -> None:
        """Ends the thread, and a run that is under way: its steps are safe to repeat."""
        self._stop.set()
        if (process := self._process) is not None:
            process.terminate()  # a run that starts in this moment looks at `_stop` itself
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        ready = 0.0
        while not self._stop.wait(SECONDS):
            try:
                ready = self._look(ready)
            except QueristError as error:  # the database may be back in a second
                self._tell("failed", str(error))
            except Exception as error:  # this thread is a rim: without it no round would open any more
                LOG.exception("the look for the next round failed")
                self._tell("failed", type(error).__name__)

    def _look(self, ready: float) -> float:
        """Runs what is due, not before the time `ready` unless it was asked for; the new `ready`."""
        why = due(self._project)
        if why is None or why.over:
            self._asked.clear()  # who asks while people still answer has asked too early
            if why is None:
                self._tell("labeling")
            else:
                self._tell("over", why.reason, why.over)
        elif self._asked.is_set() or (self._starts and time.monotonic() > ready):
            self._asked.clear()
            self._tell("training", why.reason)
            moved = self._run() and due(self._project) != why
            return time.monotonic() + (0.0 if moved else PATIENCE)
        elif self._failure:
            self._tell("failed", self._failure)
        else:
            self._tell("complete", why.reason)
        return ready

    def _run(self) -> bool:
        why = f"querist serve: {self.state.why}"
        command = [sys.executable, "-m", "querist", "run", "--project", str(self._project.folder), "--why", why]
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        if self._stop.is_set():
            self._process.terminate()
        _, said = self._process.communicate()
        worked = self._process.returncode == 0
        self._process = None
        self._failure = "" if worked else (said.strip().splitlines() or ["the run was ended"])[-1]
        return worked

    def _tell(self, kind: Kind, why: str = "", which: str = "") -> None:
        if (self.state.kind, self.state.why) != (kind, why):
            self.state = State(kind, self._project.clock().isoformat(), why, which)
