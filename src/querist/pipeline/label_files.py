"""Files of labels: CSV (opens in any spreadsheet) or JSONL."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from querist.core.errors import DataError, SettingError
from querist.stages.raw_data.delimited import Lines, records_of

EXAMPLE = '{"id": "r1", "label": "positive"}'
SEPARATORS = (",", ";", "\t")
FORMULA = ("=", "+", "-", "@", "\t")


def read_rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line and values of each row, without the spaces around them; a file must have a row."""
    if not file.exists():
        raise DataError(f"{file} does not exist; name a CSV or JSONL file with the columns id and label")
    readers = {".jsonl": _jsonl, ".csv": _delimited, ".tsv": _delimited}
    if file.suffix.lower() not in readers:
        raise SettingError(f"cannot read labels from {file}: use a name that ends in .csv or .jsonl")
    line = 0
    for line, row in readers[file.suffix.lower()](file):
        absent = {"id", "label"} - set(row)
        if absent:
            raise DataError(f"{file}, line {line}: no {sorted(absent)[0]!r} among the columns {sorted(map(str, row))}")
        yield line, {name: _plain(value) for name, value in {**row, "id": str(row["id"])}.items()}
    if line == 0:
        raise DataError(f"{file} holds no row; write one for each item, with the columns id and label")


def _delimited(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows of a CSV whose values are separated by what its header line shows: comma, semicolon or tab."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as source:
            first = source.readline()
            separator, header = _separator(first), list[str]()
            for line, fields in records_of(Lines(chain([first], source)), separator):
                if isinstance(fields, str):
                    raise DataError(f"{file}, line {line}: {fields}; put one quote on each side of a value, or none")
                fields = [field.strip() for field in fields]
                if header and any(fields):
                    yield line, _by_column(header, fields, separator, f"{file}, line {line}")
                header = header or fields
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None


def _separator(header: str) -> str:
    """The one under which the header line names the columns id and label; a comma where none does."""
    names = {s: {name.strip(' "\r\n') for name in header.split(s)} for s in SEPARATORS}
    return next((s for s in SEPARATORS if {"id", "label"} <= names[s]), ",")


def _by_column(header: Sequence[str], fields: Sequence[str], separator: str, place: str) -> dict[str, Any]:
    if len(fields) != len(header):
        raise DataError(
            f"{place}: {len(fields)} values where the header has {len(header)} columns; put a value that holds "
            f"{separator!r} into quotes, and give each column its value, even an empty one"
        )
    return dict(zip(header, fields, strict=True))


def _jsonl(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        if line.strip():
            try:
                row = json.loads(line.decode("utf-8-sig"))
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                raise DataError(f"{file}, line {number}: not valid JSON in UTF-8 ({error})") from None
            if not isinstance(row, dict) or not all(isinstance(v, str | int | float | None) for v in row.values()):
                raise DataError(f"{file}, line {number}: must be an object of plain values, e.g. {EXAMPLE}")
            yield number, {name: value.strip() if isinstance(value, str) else value for name, value in row.items()}


def write_rows(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".jsonl":
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    elif file.suffix == ".csv":
        columns = list(dict.fromkeys(name for row in rows for name in row)) or ["id", "label"]
        with file.open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, columns)
            writer.writeheader()
            writer.writerows({name: _cell(name, value) for name, value in row.items()} for row in rows)
    else:
        raise SettingError(f"cannot write labels to {file}: use a name that ends in .csv or .jsonl")


def _cell(name: str, value: Any) -> Any:
    """Item text is not trusted: a spreadsheet must not run it as a formula. `_plain` takes the quote off again."""
    if name not in ("id", "label") and isinstance(value, str) and value.startswith(FORMULA):
        return "'" + value
    return value


def _plain(value: Any) -> Any:
    return value[1:] if isinstance(value, str) and value[:1] == "'" and value[1:].startswith(FORMULA) else value
