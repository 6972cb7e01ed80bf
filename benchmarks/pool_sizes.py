"""Pools of 100,000 to 10 million short texts: time of ingest, features, scores and selection, growth and peak memory."""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from memory import watch

SIZES = (100_000, 1_000_000)
FULL = 10_000_000
BLOCK = 100_000
LIMIT_MIB = 2048
PHASES = ("ingest", "features", "score", "select")
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
            texts = [" ".join(row[:length]) for row, length in zip(words[drawn].tolist(), lengths.tolist(), strict=True)]
            ids = [str(i) for i in range(start, start + n)]
            writer.write_table(pa.table([ids, texts, np.array(["no", "yes"])[label]], schema=schema))


@contextmanager
def phase(name: str) -> Iterator[dict[str, Any]]:
    start = time.perf_counter()
    found: dict[str, Any] = {"phase": name}
    yield found
    print(json.dumps({"seconds": time.perf_counter() - start, **found}), flush=True)


def one(n_items: int, folder: Path) -> None:
    """All phases at one size, each reported on a line of JSON."""
    import querist
    from querist.pipeline.runner import run_step, steps_of

    with phase("make"):
        write_texts(folder / "texts.parquet", n_items)
    (folder / "querist.toml").write_text(SETTINGS)
    project = querist.Project(folder)
    with phase("ingest") as found:
        report = project.ingest(folder / "texts.parquet")
        found["items"] = report.primary["pool"]
    with phase("features"):
        project.features()
    with phase("seed"):
        project.run(rounds=0, oracle="label")
    context = project._context("label", lambda *_: None)(1)  # the parts of one round, each timed alone
    scoring, selecting, *_ = steps_of(1, project.settings.query)
    for name, step in (("score", scoring), ("select", selecting)):
        with phase(name):
            run_step(step, project.ledger, context, project.clock)
    with phase("rest"):
        project.run(rounds=1, oracle="label")
    (score,) = (s for s in project.show_round(1)["steps"] if s["name"] == scoring.NAME)
    print(json.dumps({"phase": "predict", "seconds": score["seconds_by_part"]["predict"]}), flush=True)


def measure(n_items: int, work: Path | None) -> dict[str, dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="querist-bench-", dir=work) as folder:
        return watch([sys.executable, __file__, "--one", str(n_items), "--dir", folder])


def exponents(found: dict[int, dict[str, dict[str, Any]]]) -> dict[str, float]:
    """Slope of log(seconds) over log(items) between the smallest and the largest size; 1 is linear."""
    small, large = min(found), max(found)
    ratio = math.log(large / small)
    return {
        name: math.log(found[large][name]["seconds"] / found[small][name]["seconds"]) / ratio for name in PHASES
    }


def rows(sizes: tuple[int, ...], work: Path | None = None) -> list[tuple[str, str, str]]:
    """(what, measured, target) for the table."""
    found = {}
    for n in sizes:
        found[n] = measure(n, work)
        print(json.dumps({"items": n, **found[n]}), file=sys.stderr, flush=True)
    growth = exponents(found)
    table = []
    for name in PHASES:
        seconds = " / ".join(f"{found[n][name]['seconds']:.1f} s" for n in sizes)
        table.append((f"{name}: {' / '.join(f'{n:,}' for n in sizes)} items", f"{seconds}, exponent {growth[name]:.2f}", "1"))
    for n in sizes:
        peaks = {name: found[n][name]["rss_mib"] for name in found[n] if name not in ("make", "predict")}
        worst = max(peaks, key=lambda name: peaks[name])
        table.append((f"peak memory at {n:,} items", f"{peaks[worst]:,.0f} MiB (in {worst})", f"< {LIMIT_MIB} MiB"))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="also 10 million items (20 GB of disk, half an hour)")
    parser.add_argument("--work", type=Path, help="folder for the data made (default: the system's)")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--dir", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.one, options.dir)
        return
    for row in rows((*SIZES, FULL) if options.full else SIZES, options.work):
        print("{:<60} {:<50} {}".format(*row))


if __name__ == "__main__":
    main()
