"""Opens a source with the reader that fits it, and checks its columns before anything is written."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from querist.config.data import DataSettings
from querist.core.errors import DataError, SettingError
from querist.plugins import find
from querist.stages.raw_data.images import with_images
from querist.stages.raw_data.rows import BadRow, Row, feature_columns, require_columns
from querist.stages.raw_data.textfiles import check_encoding

FORMATS = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".npz": "arrays",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".tsv": "tsv",
    ".zip": "images",
}
HEAD_ROWS = 1000


def reader_name(source: Path, data: DataSettings) -> str:
    """`data.format`, or under "auto" what the file's name says. Raises SettingError when it says nothing."""
    if data.format != "auto":
        return data.format
    if source.is_dir():
        return "images"
    suffix = (source.with_suffix("") if source.suffix == ".gz" else source).suffix.lower()
    if suffix not in FORMATS:
        raise SettingError(
            f"the name of {source} does not tell its format; set data.format or use one of {', '.join(FORMATS)}"
        )
    return FORMATS[suffix]


def check_data(data: DataSettings) -> None:
    """Raises UnknownName for a format, SettingError for an encoding or a kind of item that cannot be read."""
    if data.format != "auto":
        find("readers", data.format)
    check_encoding(data.encoding)
    feature_columns(data)


def open_source(source: Path, data: DataSettings) -> Iterator[Row | BadRow]:
    """Rows of the source. Raises DataError or SettingError before the first row when it cannot be what is asked."""
    if not source.exists():
        raise DataError(f"{source} does not exist; check data.source or the path given")
    read = find("readers", reader_name(source, data))
    rows = checked(_guarded(read(source, data), source), data, str(source))
    if data.kind == "image":
        rows = with_images(rows, feature_columns(data)[0], source if source.is_dir() else source.parent)
    return rows


def checked(rows: Iterable[Row | BadRow], data: DataSettings, source: str) -> Iterator[Row | BadRow]:
    """The same rows, once the first good one is seen to have all columns asked for."""
    rows, head = iter(rows), []
    for row in rows:
        head.append(row)
        if isinstance(row, Row):
            require_columns(row.values, data, source)
        if isinstance(row, Row) or len(head) == HEAD_ROWS:
            break
    return chain(head, rows)


def _guarded(rows: Iterable[Row | BadRow], source: Path) -> Iterator[Row | BadRow]:
    line = 0
    try:
        for row in rows:
            line = row.line
            yield row
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{source} cannot be read after row {line}: {error}") from None
