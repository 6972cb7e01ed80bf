"""A run in a process of its own: whoever started it may leave, and asks again how far it has come."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from querist.core.errors import Busy, ServiceError
from querist.pipeline.project import Outcome
from querist.pipeline.rounds import reached
from querist.store import queue

if TYPE_CHECKING:
    from querist.pipeline.project import Project
    from querist.pipeline.runner import Until

LOCK, LOG = "background.lock", "background.log"
POLL_SECONDS = 0.2


def advance(project: Project, *, round: int, until: Until, oracle: str | None = None, seconds: float = 0.0) -> Outcome:
    """How far a round has come; where something is to be done and nobody is at it, `querist run` is started for it.

    To be asked again until it is no longer "running", which it waits for up to so many `seconds`: the same call starts,
    looks, and starts again after the machine went down. Raises ServiceError, once, where the process that was started
    failed; the next call starts another.
    """
    end = time.monotonic() + seconds
    while (outcome := _look(project, round, until, oracle)).status == "running" and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
    return outcome


def _look(project: Project, round: int, until: Until, oracle: str | None) -> Outcome:
    if reached(project, round, until):
        return Outcome("done", round, f"round {round} is {until}")
    with project.ledger.read() as tx:
        missing = queue.waiting(tx, round=round)
    if missing and not oracle:
        return Outcome("waiting", round, f"{missing} items of round {round} need a label", missing)
    if stop := project.stop() if round and round == project.next_round() and not project.is_open(round) else None:
        return Outcome("stopped", round - 1, stop.reason)
    running = Outcome("running", round, f"round {round} is on its way to be {until}")
    with _held(project.folder / ".querist" / LOCK) as lock:
        if lock is None:
            return running
        try:
            with project._lock():
                pass
        except Busy:  # somebody else is at work on the project, be it on this round or not
            return running
        _raise_failure(project, round, until)
        _start(project, lock, round, until, oracle)
    return running


@contextmanager
def _held(path: Path) -> Iterator[Any]:  # Any: the open file, None while a run in the background holds it
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield None
        else:
            yield file


def _start(project: Project, lock: Any, round: int, until: Until, oracle: str | None) -> None:
    """The process inherits the lock, which therefore ends with it, however it ends."""
    folder = project.folder
    command = [sys.executable, "-m", "querist", "run", "--project", str(folder), "--round", str(round)]
    command += ["--until", until, "--json", *(["--oracle", oracle] if oracle else [])]
    with (folder / ".querist" / LOG).open("w", encoding="utf-8") as log:
        log.write(f"{_title(round, until)}\n")
        log.flush()
        subprocess.Popen(  # noqa: S603 - our own command
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            pass_fds=[lock.fileno()],
            start_new_session=True,
        )


def _raise_failure(project: Project, round: int, until: Until) -> None:
    """Whether the run before this one had the same aim, and ended without reaching it."""
    path = project.folder / ".querist" / LOG
    said = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    if said and said[0] == _title(round, until):
        why = said[-1].removeprefix("error: ") if len(said) > 1 else "the process was killed"
        raise ServiceError(f"the run in the background ended before round {round} was {until}: {why}")


def _title(round: int, until: Until) -> str:
    return f"round {round} until {until}"
