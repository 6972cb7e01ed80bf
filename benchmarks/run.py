"""Runs the benchmarks and prints one table. `make bench` runs all of them; name some to run those alone."""

from __future__ import annotations

import argparse
import os
import platform
from datetime import date

import big_report
import imports
import labeling
import pool_sizes
import round
import served_model
import simulate
import strategies
from table import print_table

BENCHMARKS = {
    "imports": imports.rows,
    "round": round.rows,
    "labeling": labeling.rows,
    "report": big_report.rows,
    "serving": served_model.rows,
    "strategies": strategies.rows,
    "pool_sizes": pool_sizes.rows,
    "simulate": simulate.rows,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--full", action="store_true", help="also the pool of 10 million (5 GB of disk, five minutes)")
    options = parser.parse_args()
    unknown = set(options.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"unknown benchmark {sorted(unknown)[0]!r}; available: {', '.join(BENCHMARKS)}")
    chosen = {name: rows for name, rows in BENCHMARKS.items() if name in options.names or not options.names}
    if options.full:
        chosen["pool_sizes"] = lambda: pool_sizes.rows((*pool_sizes.SIZES, pool_sizes.FULL))
    print(f"{date.today()}, Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print_table(row for rows in chosen.values() for row in rows())


if __name__ == "__main__":
    main()
