"""`querist` as a process of its own, forked from one that has imported the libraries already, which is most of what a
short command costs. The process is real: it has its own pid, can be killed, and runs all that `python -m querist` runs.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

LIBRARIES = (
    "pytest",
    "querist.cli",
    "querist.pipeline.project",
    "sklearn.cluster",
    "sklearn.feature_extraction.text",
    "sklearn.linear_model",
    "skops.io",
    "pyarrow.parquet",
    "altair",
    "vl_convert",
    "querist.web.app",
    "uvicorn",
)
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(list(LIBRARIES))


class Command:
    """A started `querist`, or a started script; `stdout` gives its lines as they come."""

    def __init__(self, *arguments: object, cwd: Path, errors: str = os.devnull, script: Path | None = None) -> None:
        ours, theirs = CONTEXT.Pipe(duplex=False)
        words = tuple(map(str, arguments))
        self.process: Any = CONTEXT.Process(  # Any: typeshed has no common type of the contexts' processes
            target=_become, args=(words, str(cwd), dict(os.environ), theirs, errors, script)
        )
        self.process.start()
        theirs.close()
        self.stdout = os.fdopen(os.dup(ours.fileno()), encoding="utf-8")
        ours.close()

    def kill(self) -> None:
        self.process.kill()

    def ended_within(self, seconds: float | None) -> bool:
        self.process.join(seconds)
        return self.process.exitcode is not None

    def wait(self) -> int:
        self.process.join()
        return int(self.process.exitcode)


@contextmanager
def started(*arguments: object, cwd: Path) -> Iterator[Command]:
    """The command while it runs; it is killed at the end, if it has not ended."""
    command = Command(*arguments, cwd=cwd)
    try:
        yield command
    finally:
        command.kill()
        command.wait()
        command.stdout.close()


def querist(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """What the command says, once it has ended."""
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as errors:
        command = Command(*arguments, cwd=cwd, errors=errors.name)
        with command.stdout:
            said = command.stdout.read()
        return subprocess.CompletedProcess(arguments, command.wait(), said, errors.read())


def _become(
    arguments: tuple[str, ...],
    folder: str,
    environment: Mapping[str, str],
    out: Connection,
    errors: str,
    script: Path | None,
) -> None:
    os.dup2(out.fileno(), 1)
    with open(errors, "w") as file:
        os.dup2(file.fileno(), 2)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
    out.close()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [str(script or "querist"), *arguments]
    if script is not None:
        runpy.run_path(str(script), run_name="__main__")
        return
    from querist.cli import main

    main()
