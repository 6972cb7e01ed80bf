"""querist beside the other libraries: the same pool, the same head, each in its own environment and process.

Finished runs are kept in the cache folder, so that a second start goes on where the first one ended.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import runpy
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from libraries.environments import ENVIRONMENTS, python_of
from ratios import OURS, markdown
from strategies import missing
from synthetic import cache
from timed import LIMIT_GB, LIMIT_SECONDS, measure

HERE = Path(__file__).parent
SIZES = (10_000, 50_000, 200_000)
CLASSES: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("entropy", "entropy_given", "margin", "least_confidence", "kmeans", "kmeans_pool"), (10,)),
    "core_set": (10,),
    "badge": (3, 10),
    **dict.fromkeys(("typiclust", "prob_cover", "density", "ranked_batch", "bald"), (10,)),
}
"""What is compared, with how many classes. Another way to the same end is a query of its own, "core_set:warm"."""
PLAIN = "plain"
FILES = {OURS: HERE / "strategies.py", "small_text_dev": HERE / "libraries" / "small_text.py"}
SAME_CODE = {"small_text_dev": {"entropy", "margin", "least_confidence", "kmeans_pool"}}
"""Queries whose code is line by line that of the release."""
MINUTES = 22


@dataclass(frozen=True)
class Case:
    library: str
    query: str
    n_pool: int
    n_classes: int


def cases(libraries: Sequence[str], sizes: Sequence[int]) -> Iterator[Case]:
    """Small sizes first, since they tell which large ones are hopeless; ours next to the others."""
    queries = {library: runpy.run_path(str(file_of(library)))["QUERIES"] for library in libraries}
    absent = missing()
    for n in sizes:
        for contest, classes in CLASSES.items():
            for n_classes in classes:
                for library in libraries:
                    for query in queries[library]:
                        same = query in SAME_CODE.get(library, ()) or (library == OURS and query in absent)
                        if query.split(":")[0] == contest and not same:
                            yield Case(library, query, n, n_classes)


def run(wanted: Sequence[Case], path: Path, minutes: float) -> None:
    """Runs what has not been run, and adds each result to the file as a line."""
    done, end = read(path), time.monotonic() + 60 * minutes
    pythons: dict[str, Path | str] = {}
    for case in wanted:
        if case in done:
            continue
        if case.library not in pythons:
            pythons[case.library] = python(case.library)
        found = pythons[case.library]
        left = end - time.monotonic()
        if isinstance(found, str):
            continue
        if left < 0:
            print(f"{minutes:g} minutes are over; start again to go on", file=sys.stderr)
            return
        result = hopeless(case, done) or measure(found, file_of(case.library), case.query, case.n_pool, case.n_classes)
        done[case] = result
        with path.open("a") as file:
            file.write(json.dumps({**asdict(case), **result}) + "\n")
        shown = {name: value for name, value in result.items() if name != "picks"}
        print(f"{case.library} {case.query} {case.n_pool:,} x {case.n_classes}: {shown}", file=sys.stderr, flush=True)


def hopeless(case: Case, done: dict[Case, dict[str, Any]]) -> dict[str, Any] | None:
    """What smaller sizes foretell where it is beyond the limits: growth as from size to size, at least linear."""
    before = {c.n_pool: r for c, r in done.items() if _same_but_size(c, case) and c.n_pool < case.n_pool}
    if not before:
        return None
    sizes = sorted(before)
    last = before[sizes[-1]]
    if "seconds" not in last:
        return {"skipped": last.get("skipped") or last.get("over", "failed") + " below"}
    for name, limit, unit in (("seconds", LIMIT_SECONDS, "s"), ("extra_mb", 1000 * LIMIT_GB, "MB")):
        slope = 1.0
        if len(sizes) > 1 and min(before[n][name] for n in sizes[-2:]) > 0:
            slope = math.log(last[name] / before[sizes[-2]][name]) / math.log(sizes[-1] / sizes[-2])
        expected = last[name] * (case.n_pool / sizes[-1]) ** max(slope, 1.0)
        if expected > limit:
            return {"skipped": f"about {expected:,.0f} {unit} by growth"}
    return None


def _same_but_size(one: Case, other: Case) -> bool:
    return (one.library, one.query, one.n_classes) == (other.library, other.query, other.n_classes)


def read(path: Path) -> dict[Case, dict[str, Any]]:
    found = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        result = json.loads(line)
        case = Case(*(result.pop(name) for name in Case.__dataclass_fields__))
        found[case] = result
    return found


def forget(path: Path, libraries: Sequence[str]) -> None:
    """Drops the runs of these libraries, for a new start."""
    kept = [json.dumps({**asdict(c), **result}) for c, result in read(path).items() if c.library not in libraries]
    path.write_text("".join(f"{line}\n" for line in kept))


def python(library: str) -> Path | str:
    """Its interpreter, or why there is none."""
    if library in (OURS, PLAIN):
        return Path(sys.executable)
    try:
        return python_of(library)
    except RuntimeError as error:
        print(f"{ENVIRONMENTS[library].shown} is skipped: {error}", file=sys.stderr, flush=True)
        return str(error)


def file_of(library: str) -> Path:
    return FILES.get(library, HERE / "libraries" / f"{library}.py")


def main() -> None:
    everything = [OURS, PLAIN, *ENVIRONMENTS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("libraries", nargs="*", metavar="LIBRARY", help=f"of {', '.join(everything)} (default: all)")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N", help="items in the pool")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"start no run after these (default: {MINUTES})")
    parser.add_argument("--again", nargs="+", default=[], metavar="LIBRARY", help='forget its runs first ("all")')
    parser.add_argument("--table", action="store_true", help="run nothing, print what is there")
    options = parser.parse_args()
    if unknown := {*options.libraries, *options.again} - {*everything, "all"}:
        parser.error(f"unknown library {sorted(unknown)[0]!r}; available: {', '.join(everything)}")
    path = cache() / "runs.jsonl"
    forget(path, everything if "all" in options.again else options.again)
    wanted = list(cases(options.libraries or everything, sorted(options.sizes)))
    if not options.table:
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; runs in {path}", file=sys.stderr, flush=True)
        run(wanted, path, options.minutes)
    done = read(path)
    shown = {OURS: OURS, PLAIN: "numpy, scikit-learn", **{name: one.shown for name, one in ENVIRONMENTS.items()}}
    print(markdown([(case, done[case]) for case in wanted if case in done], shown))


if __name__ == "__main__":
    main()
