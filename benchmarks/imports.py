"""Starting: `import querist` and `querist --help`, medians of ten starts, beside a Python that does nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from table import Row, print_table

STARTS = 10


def seconds(command: Sequence[str | Path]) -> float:
    """Median wall time of ten starts, after one that fills the file cache."""
    times = []
    for _ in range(STARTS + 1):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return median(times[1:])


def rows() -> list[Row]:
    python = sys.executable
    bare = seconds([python, "-c", "pass"])
    imported = seconds([python, "-c", "import querist"])
    helped = seconds([Path(python).parent / "querist", "--help"])
    return [
        Row("python -c pass", f"{bare:.3f} s", ""),
        Row("import querist", f"{imported:.3f} s ({imported / bare:.1f} x bare)", "< 0.2 s"),
        Row("querist --help", f"{helped:.3f} s ({helped / bare:.1f} x bare)", "< 0.4 s"),
    ]


if __name__ == "__main__":
    print_table(rows())
