"""`simulate`: features computed once, then all repeats of all strategies on one process and on two."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pool_sizes import SETTINGS, write_texts
from table import Row, print_table

ITEMS, ROUNDS, REPEATS, STRATEGIES = 20_000, 20, 8, ("kmeans", "uncertainty", "random")


def rows() -> list[Row]:
    from querist import Project

    with tempfile.TemporaryDirectory(prefix="querist-bench-") as folder:
        write_texts(Path(folder) / "texts.parquet", ITEMS)
        (Path(folder) / "querist.toml").write_text(SETTINGS)
        project = Project(folder)
        project.ingest(Path(folder) / "texts.parquet")
        first, again = timed(project.features), timed(project.features)
        alone, both = (
            timed(lambda jobs=jobs: project.simulate(strategies=STRATEGIES, rounds=ROUNDS, repeats=REPEATS, jobs=jobs))
            for jobs in (1, 2)
        )
    runs = f"simulate, {REPEATS} repeats x {len(STRATEGIES)} strategies x {ROUNDS} rounds, {ITEMS:,} items"
    return [
        Row("simulate, features", f"{first:.2f} s once, then {again:.3f} s to open them", "once"),
        Row(runs, f"{alone:.1f} s on 1 process, {both:.1f} s on 2, ratio {alone / both:.2f}", "2 on two free cores"),
    ]


def timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


if __name__ == "__main__":
    print_table(rows())
