"""Plays strategies on the study's sets, in parallel and resumable: one line of JSON for each run, appended to a file.

python benchmarks/study/run.py --sets cr trec:minilm --regimes 25 --strategies random kmeans --out runs.jsonl

A run that is in the file already is skipped. Needs QUERIST_DATA; QUERIST_STUDY_CACHE is where features are kept.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from analysis import read_runs
from cells import FULL, REGIMES, kept_cell, repeats_of, run_cell
from joblib import Parallel, delayed, parallel_config
from sets import cells_of, encoded

from querist.core.errors import QueristError


class Run(NamedTuple):
    set: str
    features: str
    regime: str
    strategy: str
    repeat: int


def planned(cells: list[tuple[str, str]], regimes: list[str], strategies: list[str], repeats: int) -> Iterator[Run]:
    """Cell after cell, so that a process keeps the one it has opened."""
    for regime in regimes:
        for name, features in cells:
            if not REGIMES[regime].has(name):
                continue
            yield Run(name, features, regime, FULL, 0)
            for repeat in repeats_of(kept_cell(name, features, regime), repeats):
                for strategy in strategies:
                    yield Run(name, features, regime, strategy, repeat)


def known(path: Path) -> set[Run]:
    lines = read_runs([path]) if path.exists() else []
    return {Run(*(line[field] for field in Run._fields)) for line in lines}


def play(run: Run) -> dict[str, Any]:
    """The run's line; a strategy that fails or refuses says so and stops nothing."""
    warnings.simplefilter("ignore")
    start = time.perf_counter()
    try:
        found = run_cell(kept_cell(run.set, run.features, run.regime), run.strategy, run.repeat)
    except Exception as error:  # whatever a strategy under study does wrong
        return {**run._asdict(), "error": f"{type(error).__name__}: {error}"}
    return {**run._asdict(), **found, "wall": round(time.perf_counter() - start, 2)}


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    return [rounded(v) for v in value] if isinstance(value, list) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=["all"], metavar="SET", help="cr, cr:tfidf, all:minilm ...")
    parser.add_argument("--regimes", nargs="+", default=list(REGIMES), choices=REGIMES, help="size of the seed set")
    parser.add_argument("--strategies", nargs="+", required=True, metavar="NAME")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.jsonl")
    options = parser.parse_args()
    try:
        cells = [cell for cell in cells_of(options.sets) if any(REGIMES[name].has(cell[0]) for name in options.regimes)]
        if not cells:
            parser.error(f"{' '.join(options.sets)} is not played with a seed set of {' '.join(options.regimes)}")
        for cell in cells:  # computed here once, not by each process
            encoded(*cell)
    except QueristError as error:
        parser.error(str(error))
    done = known(options.out)
    work = [r for r in planned(cells, options.regimes, options.strategies, options.repeats) if r not in done]
    print(f"{len(work)} runs to do, {len(done)} in {options.out}", file=sys.stderr, flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    with options.out.open("a", encoding="utf-8") as file, parallel_config("loky", inner_max_num_threads=1):
        pool = Parallel(n_jobs=options.jobs, return_as="generator_unordered", pre_dispatch="2*n_jobs", batch_size=1)
        for number, line in enumerate(pool(delayed(play)(run) for run in work), 1):
            file.write(json.dumps(rounded(line), separators=(",", ":")) + "\n")
            file.flush()
            if number % 20 == 0 or "error" in line:
                told = " ".join(str(line[field]) for field in Run._fields)
                spent = time.perf_counter() - start
                print(
                    f"{number}/{len(work)} {spent:.0f} s: {told} {line.get('error', '')}", file=sys.stderr, flush=True
                )


if __name__ == "__main__":
    main()
