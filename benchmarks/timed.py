"""One query of one library, timed in a process and an environment of its own."""

from __future__ import annotations

import ctypes
import json
import resource
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import synthetic

LIMIT_SECONDS = 120
LIMIT_GB = 10
ENOUGH_SECONDS = 4
"""The best of up to three calls; no further one once they took this long together."""
START_SECONDS = 180
"""For imports, the rows and the small first call, before the clock starts."""

Query = Callable[[synthetic.Data], Callable[[], Any]]
"""What a library's file holds under QUERIES: everything made ready, and the call to be timed, which answers rows."""


def measure(python: Path | str, file: Path, query: str, n_pool: int, n_classes: int) -> dict[str, Any]:
    """`seconds` of the best call, `extra_mb` of resident memory beyond what was loaded before it, and the `picks`.

    Or why there are none: "over 120 s", "over 10 GB", or "failed: ..." with the library's own words.
    """
    command = [str(python), __file__, str(file), query, str(n_pool), str(n_classes)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=START_SECONDS + 2 * LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        return {"failed": f"did not start in {START_SECONDS} s"}
    if ended.returncode == -signal.SIGALRM:
        return {"over": f"{LIMIT_SECONDS} s"}
    for line in reversed(ended.stdout.splitlines()):
        if line.startswith("{"):
            found: dict[str, Any] = json.loads(line)
            return found
    last = ended.stderr.strip().splitlines()[-1:] or ["nothing said"]
    return {"failed": f"{last[0][:200]} (status {ended.returncode})"}


def main(file: str, query: str, n_pool: str, n_classes: str) -> None:
    try:
        found = _run(runpy.run_path(file)["QUERIES"][query], synthetic.load(int(n_pool), int(n_classes)))
    except MemoryError:
        found = {"over": f"{LIMIT_GB} GB"}
    except Exception as error:  # a library's failure is a result
        found = {"failed": f"{type(error).__name__}: {str(error)[:200]}"}
    print(json.dumps(found), flush=True)


def _run(query: Query, data: synthetic.Data) -> dict[str, Any]:
    query(data.small())()
    call = query(data)
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT_GB * 10**9, resource.RLIM_INFINITY))
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = _kilobytes("VmRSS")
    seconds: list[float] = []
    while len(seconds) < 3 and sum(seconds) < ENOUGH_SECONDS:
        signal.alarm(LIMIT_SECONDS)
        start = time.perf_counter()
        picks = call()
        seconds.append(time.perf_counter() - start)
        signal.alarm(0)
    extra = _kilobytes("VmHWM") - before
    return {
        "seconds": round(min(seconds), 4),
        "extra_mb": round(extra * 1024 / 1e6, 1),
        "picks": [int(pick) for pick in picks],
    }


def _kilobytes(name: str) -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[name].split()[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
