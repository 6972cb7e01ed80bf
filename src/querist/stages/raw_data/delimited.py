"""CSV and TSV, however ugly: quotes, embedded line breaks, shifted rows, quotes that never close."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from querist.config.data import DataSettings
from querist.core.errors import DataError
from querist.stages.raw_data.rows import RAW_CHARACTERS, BadRow, Row, require_columns
from querist.stages.raw_data.textfiles import is_broken, open_text

FIELD_CHARACTERS = 1 << 24


def read_csv(source: Path, data: DataSettings) -> Iterator[Row | BadRow]:
    """Comma-separated values, plain or gzipped."""
    return _read(source, data, ",")


def read_tsv(source: Path, data: DataSettings) -> Iterator[Row | BadRow]:
    """Tab-separated values, plain or gzipped."""
    return _read(source, data, "\t")


class Lines:
    """Physical lines, held until their record is whole, so that a quote that never closes costs one line."""

    def __init__(self, file: Iterator[str]) -> None:
        self._file = file
        self._again: list[str] = []
        self.held: list[str] = []
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.pop() if self._again else next(self._file)
        self.held.append(line)
        self.number += 1
        return line

    def give_back_all_but_first(self) -> None:
        back = self.held[1:]
        self._again.extend(reversed(back))
        self.number -= len(back)
        del self.held[1:]


def records_of(lines: Lines, delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Line and fields of each record, or line and reason."""
    csv.field_size_limit(max(csv.field_size_limit(), FIELD_CHARACTERS))
    # Strict: a stray quote is refused with its line instead of gluing rows together in silence.
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.held.clear()
        start = lines.number + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lines.give_back_all_but_first()
            yield start, f"quotes do not match ({error})"
            continue
        if fields:
            yield start, "bytes that do not decode" if any(map(is_broken, lines.held)) else fields


def _read(source: Path, data: DataSettings, delimiter: str) -> Iterator[Row | BadRow]:
    with open_text(source, data.encoding) as file:
        lines = Lines(iter(file))
        records = records_of(lines, delimiter)
        _, header = next(records, (0, ""))
        if isinstance(header, str):
            raise DataError(f"{source} has no readable header line{f': {header}' if header else ', it is empty'}")
        require_columns(header, data, str(source))
        for line, fields in records:
            if isinstance(fields, str):
                yield BadRow(line, fields, "".join(lines.held)[:RAW_CHARACTERS])
            elif len(fields) != len(header):
                reason = f"{len(fields)} fields where the header has {len(header)}"
                yield BadRow(line, reason, "".join(lines.held)[:RAW_CHARACTERS])
            else:
                yield Row(line, dict(zip(header, fields, strict=True)))
