"""Parquet, in batches, only the columns that the settings name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from querist.config.data import DataSettings
from querist.core.errors import DataError
from querist.stages.raw_data.rows import BadRow, Row, needed_columns, require_columns

BATCH_ROWS = 4096


def read_parquet(source: Path, data: DataSettings) -> Iterator[Row | BadRow]:
    """Parquet, a batch of rows at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    line = 0
    try:
        with pq.ParquetFile(source) as file:
            require_columns(file.schema_arrow.names, data, str(source))
            for batch in file.iter_batches(BATCH_ROWS, columns=needed_columns(data)):
                for values in batch.to_pylist():
                    line += 1
                    yield Row(line, values)
    except pa.ArrowException as error:
        raise DataError(f"{source} cannot be read as Parquet after row {line}: {error}") from None
