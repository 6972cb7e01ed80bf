"""Markdown in which a text of the record stays text, whatever it holds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from querist.stages.reporting.words import interval, named, one_line

_PLAIN = re.compile(r"(?!\d+[.)](?:\s|$))(?!.*www)[A-Za-z0-9](?:[A-Za-z0-9 ,.;%()-]*[A-Za-z0-9.%)])?", re.IGNORECASE)
"""Most cells of a page: nothing in them to look after."""
_MARKS = re.compile(
    r"([\\`*\[\]<>|~&$]|^[-+=#]|^\d{1,9}(?=[.)](?:\s|$))|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=\bwww)\.)", re.IGNORECASE
)
_ADDRESS = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9._~:/?#@!&+,;=%-]*")


class Address(str):
    """A cell that may be followed, where it is a plain address of the web; else it is text as any other."""

    __slots__ = ()


def text(value: object) -> str:
    """One line that a reader of Markdown shows as it is: no mark-up, no link, no end of a table's cell."""
    given = str(value)
    if isinstance(value, Address) and _ADDRESS.fullmatch(given):
        return f"<{given}>"
    if _PLAIN.fullmatch(given):
        return given
    return _MARKS.sub(lambda found: f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}", one_line(given))


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Every cell as text; columns of which all values are numbers stand to the right."""
    columns = list(zip(*rows, strict=True)) or [()] * len(head)
    rules = ["---:" if column and all(map(_is_number, column)) else "---" for column in columns]
    cells = [[text(_plain(cell)) for cell in row] for row in [head, *rows]]
    return "\n".join(_line(row) for row in [cells[0], rules, *cells[1:]])


def facts(values: Mapping[str, object]) -> str:
    """A list of what is known, one thing a line."""
    return "\n".join(f"- {name}: {text(_plain(value))}" for name, value in values.items() if value not in (None, ""))


def metrics(found: Mapping[str, Mapping[str, float | None]]) -> list[tuple[str, str]]:
    """(name, value with its interval) of each metric."""
    return [(named(name), interval(m["value"], m["low"], m["high"])) for name, m in found.items()]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else "" if value is None else str(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) or value is None
