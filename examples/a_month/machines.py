"""Programs on this machine: started, watched, killed, started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Querist = (sys.executable, "-m", "querist")


class Program:
    """A program with all that it starts; what it says is in a file."""

    def __init__(self, log: Path, *command: object, env: Mapping[str, str] | None = None) -> None:
        self._log, self._command, self._env = log, [str(word) for word in command], env
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, env=self._env, stdout=log, stderr=log, start_new_session=True
            )

    def end(self, how: signal.Signals = signal.SIGTERM, *, seconds: float = 20.0) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        os.killpg(self.process.pid, how)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class Server(Program):
    """`querist serve` of a project, or another command with a port, which it keeps when it is started again."""

    def __init__(self, folder: Path, *command: object, log: Path | None = None) -> None:
        self.folder, self.port = folder, free_port()
        words = command or ("serve",)
        super().__init__(log or Path(os.devnull), *Querist, *words, "--port", self.port, "--project", folder)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns once it takes connections."""
        super().start()
        until(self._listens, "the server to start")

    def _listens(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"{' '.join(self._command)} ended with status {self.process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(look: Callable[[], Any], what: str, seconds: float = 1_200.0, *, pause: float = 0.1) -> Any:
    """What `look` returns first that is true; an answer that is none counts as not yet. Raises TimeoutError."""
    import httpx

    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        try:
            if found := look():
                return found
        except (httpx.HTTPError, KeyError, IndexError, ValueError):
            pass
        time.sleep(pause)
    raise TimeoutError(f"gave up waiting for {what}")


def querist(folder: Path, *command: object) -> str:
    """What a command of querist prints for a project. Raises RuntimeError with what it said of a failure."""
    line = [*Querist, *map(str, command), "--project", str(folder)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(line)} ended with status {done.returncode}: {done.stderr}{done.stdout}")
    return done.stdout


def killed(folder: Path, *command: object, when: Callable[[], Any]) -> bool:
    """Starts a command of querist and kills it as soon as `when` is true; False where it ended before."""
    line = [*Querist, *map(str, command), "--project", str(folder)]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        if when():
            process.kill()
            process.wait()
            return True
        time.sleep(0.01)
    return False


def kill_run(folder: Path, aim: str, seconds: float = 1_200.0) -> bool:
    """Kills the first run in the background that is to bring the project's round so far, as a crash would."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().decode().split("\0") if entry.name.isdigit() else []
            except OSError:
                continue
            if "--until" in words and aim in words and "--background" not in words and str(folder) in words:
                os.kill(int(entry.name), signal.SIGKILL)
                return True
        time.sleep(0.05)
    return False
