"""50 annotators at once against one `querist serve`, 10,000 items, with and without kills of the server.

On SQLite, and on PostgreSQL where QUERIST_POSTGRES is the URL of an empty database. Without a pause before each answer
the server is as busy as it can be; people take a second at least. One item at a time is what Label Studio does.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from table import Row, print_table

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "shared"), str(ROOT / "examples" / "a_month")]

PEOPLE, ITEMS, KILLS = 50, 10_000, 5


def rows(people: int = PEOPLE, items: int = ITEMS, think: float = 1.0) -> list[Row]:
    from many_people import make_project, play

    found = []
    plans = [("SQLite", 0, 0.0, 20), ("SQLite", 0, think, 20), ("SQLite", 0, think, 1), ("SQLite", KILLS, 0.0, 20)]
    if url := os.environ.get("QUERIST_POSTGRES"):
        plans.append(("PostgreSQL", KILLS, 0.0, 20))
    for database, kills, pause, batch in plans:
        ledger = url if database == "PostgreSQL" and url else "sqlite:///.querist/ledger.db"
        with tempfile.TemporaryDirectory(prefix="querist-bench-") as folder:
            project = make_project(Path(folder), items, overlap=1, ledger=ledger)
            played = play(project, people, kills=kills, seconds_between=10.0, think=pause, batch=batch)
        how = f"{pause:g} s between answers" if pause else "no pause"
        what = f"{database}, {people} people, {items:,} items {batch} at a time, {how}, {played['kills']} kills"
        exact = len(played["answers"]) == items and set(played["answers"].values()) == {1}
        found.append(Row(f"{what}: each answered once", "yes" if exact else "NO", "yes"))
        found.append(Row("  answers a second", f"{items / played['seconds']:.0f}", ""))
        for name, goal in (("next", ""), ("submit", ""), ("both", "20 / 50 ms"))[: 3 if batch == 1 else 2]:
            p50, p99 = (1e3 * played[name][int(q * (len(played[name]) - 1))] for q in (0.5, 0.99))
            found.append(Row(f"  {name} p50 / p99", f"{p50:.0f} / {p99:.0f} ms", goal))
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--think", type=float, default=1.0, help="seconds between two answers of a person")
    print_table(rows(**vars(parser.parse_args())))
