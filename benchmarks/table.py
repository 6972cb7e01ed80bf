"""The table that every benchmark ends with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Row(NamedTuple):
    what: str
    measured: str
    target: str


def print_table(rows: Iterable[Row]) -> None:
    found = [Row("what", "measured", "target"), *rows]
    widths = [max(len(row[column]) for row in found) for column in range(3)]
    for row in found:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
