"""Files of labels: CSV (opens in any spreadsheet), JSONL, Parquet, a folder of the library `datasets`, Label Studio."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from querist.core.errors import DataError, SettingError
from querist.stages.raw_data.delimited import Lines, records_of

EXAMPLE = '{"id": "r1", "label": "positive"}'
SEPARATORS = (",", ";", "\t")
FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
NAMES = "a name that ends in .csv or .jsonl (also .parquet, .json as Label Studio writes it, or a folder of `datasets`)"
FORMATS = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".parquet": "parquet", ".json": "label-studio"}
LISTS = ("label", "resolved", "predicted")
"""Columns that may hold a list of names, where items have several labels."""
WORKSHEETS = ("csv", "jsonl")
"""What people fill in; the others hold what was answered."""

Place = str
Rows = Iterator[tuple[Place, dict[str, Any]]]


def format_of(file: Path) -> str:
    """The format that a name stands for. Raises SettingError for a name that stands for none."""
    if file.is_dir():
        return "datasets"
    if file.suffix.lower() not in FORMATS:
        raise SettingError(f"cannot tell the format of labels in {file}: use {NAMES}, or say the format")
    return FORMATS[file.suffix.lower()]


def read_rows(file: Path) -> Rows:
    """Place ("line 3") and values of each row, without the spaces around them; a file must have a row."""
    from querist.pipeline.exchange import datasets_folder, label_studio_json

    if not file.exists():
        raise DataError(f"{file} does not exist; name a CSV or JSONL file with the columns id and label")
    readers: dict[str, Callable[[Path], Rows]] = {
        "csv": _delimited,
        "jsonl": _jsonl,
        "parquet": datasets_folder.read_parquet,
        "datasets": datasets_folder.read,
        "label-studio": label_studio_json.read,
    }
    place = ""
    for place, row in readers[format_of(file)](file):
        absent = {"id", "label"} - set(row)
        if absent:
            raise DataError(
                f"{file}, {place}: no {sorted(absent)[0]!r} among the columns {sorted(map(str, row))}; rename one"
            )
        yield place, {**row, "id": str(row["id"])}
    if not place:
        raise DataError(f"{file} holds no row; write one for each item, with the columns id and label")


def _delimited(file: Path) -> Rows:
    """Rows of a CSV whose values are separated by what its header line shows: comma, semicolon or tab."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as source:
            first = source.readline()
            separator, header = _separator(first), list[str]()
            for line, fields in records_of(Lines(chain([first], source)), separator):
                if isinstance(fields, str):
                    raise DataError(f"{file}, line {line}: {fields}; put one quote on each side of a value, or none")
                fields = [unquoted(field.strip()) for field in fields]
                if header and any(fields):
                    yield f"line {line}", _by_column(header, fields, separator, f"{file}, line {line}")
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


def _jsonl(file: Path) -> Rows:
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        if line.strip():
            try:
                row = json.loads(line.decode("utf-8-sig"))
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                raise DataError(f"{file}, line {number}: not valid JSON in UTF-8 ({error})") from None
            if not isinstance(row, dict) or not all(_plain(name, value) for name, value in row.items()):
                raise DataError(f"{file}, line {number}: must be an object of plain values, e.g. {EXAMPLE}")
            values = {name: value.strip() if isinstance(value, str) else value for name, value in row.items()}
            yield f"line {number}", values


def _plain(name: str, value: Any) -> bool:  # Any: as JSON has it
    names = isinstance(value, list) and name in LISTS and all(isinstance(one, str) for one in value)
    return names or isinstance(value, str | int | float | None)


def write_rows(file: Path, rows: Sequence[Mapping[str, Any]], format: str) -> None:
    """Writes rows of plain values as csv, jsonl or parquet."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if format == "jsonl":
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    elif format == "csv":
        columns = list(dict.fromkeys(name for row in rows for name in row)) or ["id", "label"]
        with file.open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out, delimiter="\t" if file.suffix.lower() == ".tsv" else ",")
            writer.writerow(map(quoted, columns))
            writer.writerows([quoted(row.get(name, "")) for name in columns] for row in rows)
    else:
        from querist.pipeline.exchange import datasets_folder

        datasets_folder.write_parquet(file, rows)


def quoted(value: Any) -> Any:  # Any: a cell
    """Text is not trusted: a spreadsheet must not run it as a formula. `unquoted` takes the quote off again."""
    runs = isinstance(value, str) and FORMULA.match(value.lstrip("'")) and not NUMBER.fullmatch(value)
    return f"'{value}" if runs else value


def unquoted(value: str) -> str:
    rest = value.lstrip("'")
    return value[1:] if value[:1] == "'" and FORMULA.match(rest) and not NUMBER.fullmatch(value[1:]) else value
