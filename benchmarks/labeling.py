"""50 annotators at once against one `querist serve`, 10,000 items, on SQLite and PostgreSQL, with and without kills."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from table import Row, print_table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "shared"))

PEOPLE, ITEMS, KILLS = 50, 10_000, 5


def rows(people: int = PEOPLE, items: int = ITEMS) -> list[Row]:
    from crowd import make_project, play

    found = []
    for kills in (0, KILLS):
        with tempfile.TemporaryDirectory(prefix="querist-bench-") as folder:
            project = make_project(Path(folder), items, overlap=1)
            played = play(project, people, kills=kills, seconds_between=5.0)
        exact = len(played["answers"]) == items and set(played["answers"].values()) == {1}
        what = f"{people} annotators, {items:,} items on SQLite" + (f", {played['kills']} kills" if kills else "")
        found.append(Row(f"{what}: each answered once", "yes" if exact else "NO", "yes"))
        rate = items / played["seconds"]
        found.append(Row(f"{what}: answers a second", f"{rate:.0f}", ""))
        for name, goal in (("next", ""), ("submit", "20 / 50 ms")):
            p50, p99 = (played[name][int(q * (len(played[name]) - 1))] for q in (0.5, 0.99))
            found.append(Row(f"{what}: {name} p50 / p99", f"{1e3 * p50:.0f} / {1e3 * p99:.0f} ms", goal))
    return found


if __name__ == "__main__":
    print_table(rows(*map(int, sys.argv[1:])))
