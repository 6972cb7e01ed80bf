"""JSON lines: one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from querist.config.data import DataSettings
from querist.stages.raw_data.rows import RAW_CHARACTERS, BadRow, Row, needed_columns, require_columns
from querist.stages.raw_data.textfiles import is_broken, open_text

LINES_THAT_SHOW_THE_COLUMNS = 1000


def read_jsonl(source: Path, data: DataSettings) -> Iterator[Row | BadRow]:
    """Keys a line leaves out are missing values; a key that none of the first 1000 lines has is a missing column."""
    absent: dict[str, None] = dict.fromkeys(needed_columns(data))
    rows = _objects(source, data)
    head = list(islice(rows, LINES_THAT_SHOW_THE_COLUMNS))
    seen = dict.fromkeys(key for row in head if isinstance(row, Row) for key in row.values)
    if any(isinstance(row, Row) for row in head):
        require_columns(seen, data, str(source))
    for part in (head, rows):
        for row in part:
            yield Row(row.line, {**absent, **row.values}) if isinstance(row, Row) else row


def _objects(source: Path, data: DataSettings) -> Iterator[Row | BadRow]:
    with open_text(source, data.encoding) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            raw = line[:RAW_CHARACTERS]
            if is_broken(line):
                yield BadRow(number, "bytes that do not decode", raw)
                continue
            try:
                value = json.loads(line)
            except (json.JSONDecodeError, RecursionError):
                yield BadRow(number, "not valid JSON", raw)
                continue
            yield Row(number, value) if isinstance(value, dict) else BadRow(number, "not a JSON object", raw)
