"""Pools of 100,000 to 10 million short texts: time of each phase, its growth with the pool, and peak memory."""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from memory import watch
from table import Row, print_table

SIZES = (100_000, 1_000_000)
FULL = 10_000_000
BLOCK = 100_000
LIMIT_MIB = 2048
PHASES = {"ingest": "ingest", "features": "features", "score": "1 uncertainty_scoring", "select": "1 query_strategy"}
SETTINGS = """\
[data]
id = "id"
text = ["text"]
label = "label"
[splits]
validation = 0.005
test = 0.005
[seed_set]
size = 1000
draw = "random"
[learner]
name = "hashing-logistic"
"""


def write_texts(path: Path, n_items: int) -> None:
    """Texts of 4 to 16 words out of 50,000, common ones often; each of the two classes has 300 words of its own."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    words = np.array([f"w{i:x}" for i in range(50_000)], dtype=object)
    schema = pa.schema([("id", pa.string()), ("text", pa.string()), ("label", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, n_items, BLOCK):
            rng = np.random.default_rng([0, start])
            n = min(BLOCK, n_items - start)
            lengths = rng.integers(4, 17, n)
            drawn = (50_000 ** rng.random((n, 16))).astype(np.intp) - 1
            label = rng.integers(2, size=n)
            own = rng.random((n, 16)) < 0.15
            drawn = np.where(own, 1_000 + 300 * label[:, None] + drawn % 300, drawn)
            texts = [
                " ".join(row[:length]) for row, length in zip(words[drawn].tolist(), lengths.tolist(), strict=True)
            ]
            ids = [str(i) for i in range(start, start + n)]
            writer.write_table(pa.table([ids, texts, np.array(["no", "yes"])[label]], schema=schema))


def one(n_items: int, folder: Path) -> None:
    """All phases at one size, each reported on a line of JSON as it ends."""
    import querist

    start = time.perf_counter()

    def ended(phase: str, **values: Any) -> None:
        nonlocal start
        print(json.dumps({"phase": phase, "seconds": time.perf_counter() - start, **values}), flush=True)
        start = time.perf_counter()

    def on_step(round: int, name: str, status: str) -> None:
        if status == "done":
            ended(f"{round} {name}")

    write_texts(folder / "texts.parquet", n_items)
    (folder / "querist.toml").write_text(SETTINGS)
    project = querist.Project(folder)
    ended("make")
    report = project.ingest(folder / "texts.parquet")
    ended("ingest", pool=report.primary["pool"])
    project.features()
    ended("features")
    project.run(rounds=1, oracle="label", on_step=on_step)


def measure(n_items: int, work: Path | None) -> dict[str, dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="querist-bench-", dir=work) as folder:
        return watch([sys.executable, __file__, "--one", str(n_items), "--dir", folder])


def rows(sizes: Sequence[int] = SIZES, work: Path | None = None) -> list[Row]:
    found = {}
    for n in sizes:
        found[n] = measure(n, work)
        print(json.dumps({"items": n, "phases": found[n]}), file=sys.stderr, flush=True)
    return table(found)


def table(found: dict[int, dict[str, dict[str, float]]]) -> list[Row]:
    sizes = sorted(found)
    names = " / ".join(f"{n:,}" for n in sizes)
    rows = []
    for name, phase in PHASES.items():
        parts = [found[n][phase] for n in sizes]
        wall = " / ".join(f"{part['seconds']:.1f}" for part in parts)
        cpu = " / ".join(f"{part['cpu_seconds']:.1f}" for part in parts)
        rows.append(Row(f"{name}: {names} items", f"{wall} s (CPU {cpu} s){growth(sizes, parts)}", "exponent 1"))
    for n in sizes:
        peaks = {phase: values["rss_mib"] for phase, values in found[n].items() if phase != "make"}
        worst = max(peaks, key=lambda phase: peaks[phase])
        rows.append(Row(f"peak memory: {n:,} items", f"{peaks[worst]:,.0f} MiB (in {worst})", f"< {LIMIT_MIB} MiB"))
    return rows


def growth(sizes: Sequence[int], parts: Sequence[dict[str, float]]) -> str:
    """Slope of log(CPU seconds) over log(items) from each size to the next; 1 is linear, below it fixed costs show."""
    steps = [
        math.log(b["cpu_seconds"] / a["cpu_seconds"]) / math.log(m / n)
        for n, m, a, b in zip(sizes, sizes[1:], parts, parts[1:], strict=False)
        if min(a["cpu_seconds"], b["cpu_seconds"]) > 0
    ]
    return f", exponent {' / '.join(f'{step:.2f}' for step in steps)}" if steps else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N", help="items in the pool")
    parser.add_argument("--full", action="store_true", help="also 10 million items (5 GB of disk, five minutes)")
    parser.add_argument("--work", type=Path, help="folder for the data made (default: the system's)")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--dir", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.one, options.dir)
        return
    sizes = [*options.sizes, FULL] if options.full else options.sizes
    print_table(rows(sizes, options.work))


if __name__ == "__main__":
    main()
