"""One row of a source, good or bad, and which columns the settings ask of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from querist.config.data import DataSettings
from querist.core.errors import SettingError

RAW_CHARACTERS = 10_000


@dataclass(frozen=True, slots=True)
class Row:
    """A row as read; `line` counts from 1 (of a text file: the physical line where the row begins)."""

    line: int
    values: dict[str, Any]  # Any: text from a csv; numbers, bytes and arrays from other sources


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that goes to quarantine; `reason` holds no value of the row, so that equal ones can be counted; `detail`
    does."""

    line: int
    reason: str
    raw: str | None = None
    detail: str = ""


def refuse(row: Row, reason: str, detail: str = "") -> BadRow:
    try:
        raw = json.dumps(row.values, ensure_ascii=False, default=_placeholder)[:RAW_CHARACTERS]
    except RecursionError:  # some value is nested too deeply to be shown
        raw = None
    return BadRow(row.line, reason, raw, detail)


def feature_columns(data: DataSettings) -> list[str]:
    """Columns the model sees. Raises SettingError when the settings name none."""
    if data.kind == "image":
        return [data.image or "image"]
    columns = data.text if data.kind == "text" else [*data.numeric, *data.categorical]
    if not columns:
        asked = "data.text" if data.kind == "text" else "data.numeric and data.categorical"
        raise SettingError(
            f"{asked} name no column, so there is nothing to learn from; name at least one, or change "
            f"data.kind = {data.kind!r} (text, image, tabular)"
        )
    return columns


def needed_columns(data: DataSettings) -> list[str]:
    named = [data.id, *feature_columns(data), data.label, data.split, *data.context, *data.checks]
    return list(dict.fromkeys(column for column in named if column is not None))


def require_columns(available: Iterable[str], data: DataSettings, source: str) -> None:
    """Raises SettingError naming the missing column and those available."""
    names = list(available)
    for column in needed_columns(data):
        if column not in names:
            raise SettingError(f"{source} has no column {column!r}. Available: {', '.join(names) or 'none'}.")
        if names.count(column) > 1:
            raise SettingError(f"{source} has {names.count(column)} columns named {column!r}; rename all but one")


def _placeholder(value: object) -> str:
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else f"<{type(value).__name__}>"
