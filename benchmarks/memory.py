"""Runs a command and watches the memory of its whole process tree, by /proc alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

INTERVAL_SECONDS = 0.05


def watch(command: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The command prints one JSON line {"phase", ...} as each phase ends; each comes back with what it took.

    `cpu_seconds` is the processor time of the tree, `rss_mib` its peak resident memory in MiB (pages shared by two
    processes count twice), `anon_mib` what of it is not backed by a file.
    """
    with subprocess.Popen(list(command), stdout=subprocess.PIPE, text=True) as process:
        watcher = Watcher(process.pid)
        watcher.start()
        phases, spent = {}, 0.0
        assert process.stdout is not None
        for line in process.stdout:
            if not line.startswith("{"):
                continue
            found = json.loads(line)
            total = sum(map(cpu_seconds, tree(process.pid)))
            found |= {**watcher.take(), "cpu_seconds": round(total - spent, 2)}
            spent = total
            phases[found.pop("phase")] = found
            print(
                "  ",
                line.strip(),
                {name: found[name] for name in ("cpu_seconds", "rss_mib")},
                file=sys.stderr,
                flush=True,
            )
        watcher.stop()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")
    return phases


class Watcher(threading.Thread):
    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._ended = pid, threading.Event()
        self._peak = (0, 0)

    def run(self) -> None:
        while not self._ended.wait(INTERVAL_SECONDS):
            self._look()

    def take(self) -> dict[str, float]:
        """The peak since the last look, and a new start."""
        self._look()
        (rss, anon), self._peak = self._peak, (0, 0)
        return {"rss_mib": round(rss / 1024), "anon_mib": round(anon / 1024)}

    def stop(self) -> None:
        self._ended.set()
        self.join()

    def _look(self) -> None:
        rss, anon = zip(*(kilobytes(pid) for pid in tree(self._pid)), strict=True)
        self._peak = max(self._peak[0], sum(rss)), max(self._peak[1], sum(anon))


def tree(pid: int) -> list[int]:
    """The process and all its descendants."""
    found = [pid]
    for parent in found:
        try:
            tasks = list(Path(f"/proc/{parent}/task").iterdir())
            found += [int(child) for task in tasks for child in (task / "children").read_text().split()]
        except OSError:  # ended in between
            continue
    return found


def kilobytes(pid: int) -> tuple[int, int]:
    """(resident, anonymous)"""
    try:
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        return int(lines["VmRSS"].split()[0]), int(lines["RssAnon"].split()[0])
    except (OSError, KeyError):  # ended in between
        return 0, 0


def cpu_seconds(pid: int) -> float:
    """User and system time of the process and of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # ended in between
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
