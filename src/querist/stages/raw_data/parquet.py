"""Parquet, in batches, only the columns that the settings name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from querist.config.data import DataSettings
from querist.core.errors import DataError
from querist.stages.raw_data.rows import BadRow, Row, needed_columns, require_columns

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BATCH_ROWS, BATCH_BYTES = 4096, 8 << 20
READ_BYTES = 1 << 20


def read_parquet(source: Path, data: DataSettings) -> Iterator[Row | BadRow]:
    """Parquet, a batch of rows at a time, however large its row groups are."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    line, columns = 0, needed_columns(data)
    try:
        # Without a buffer a whole row group would be read at once, and many files have but one.
        with pq.ParquetFile(source, buffer_size=READ_BYTES, pre_buffer=False) as file:
            require_columns(file.schema_arrow.names, data, str(source))
            for batch in file.iter_batches(_rows_at_once(file.metadata), columns=columns, use_threads=False):
                for values in _values(batch):
                    line += 1
                    yield BadRow(line, "not valid UTF-8") if values is None else Row(line, values)
    except pa.ArrowException as error:
        raise DataError(f"{source} cannot be read as Parquet after row {line}: {error}") from None


def _values(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | None]:  # Any: what a column holds
    """The rows; None for one with a text that is none."""
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:
        if len(batch) == 1:
            yield None
        else:
            for number in range(len(batch)):
                yield from _values(batch.slice(number, 1))


def _rows_at_once(metadata: pq.FileMetaData) -> int:
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    largest = max((group.total_byte_size / group.num_rows for group in groups if group.num_rows), default=0.0)
    return max(1, min(BATCH_ROWS, int(BATCH_BYTES / max(largest, 1.0))))
