"""Arrays: an .npz file, or what scikit-learn users hold in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from querist.config.data import DataSettings
from querist.core.errors import DataError, ShapeError
from querist.stages.raw_data.rows import BadRow, Row, require_columns

Column = Sequence[Any] | NDArray[Any]  # Any: strings, numbers or images, as the caller holds them
Columns = Mapping[str, Column]


def read_arrays(source: Path, data: DataSettings) -> Iterator[Row | BadRow]:
    """Each key of the .npz is a column (`X` of shape (n, d): columns X_0 .. X_(d-1))."""
    try:
        with np.load(source, allow_pickle=False) as file:
            columns = {name: part for key in file.files for name, part in columns_of(key, file[key]).items()}
    except (ValueError, BadZipFile, EOFError) as error:
        raise DataError(f"{source} cannot be read as .npz without pickle: {error}") from None
    require_columns(columns, data, str(source))
    yield from _rows(columns, str(source))


def rows_of(X: Any, y: Column | None = None, **columns: Column) -> Iterator[Row]:  # X: array, table or list
    """Rows of arrays in memory: columns of `X` (`text`, `image`, `X_0`.. or its own names), `label` and others."""
    if hasattr(X, "keys"):
        found = {str(key): X[key].to_numpy() if hasattr(X[key], "to_numpy") else X[key] for key in X.keys()}  # noqa: SIM118 - a DataFrame's keys are its columns
    else:
        block = np.asarray(X)
        name = "image" if block.dtype == np.uint8 and block.ndim in (3, 4) else "X" if block.ndim == 2 else "text"
        found = columns_of(name, block)
    return _rows({**found, **({} if y is None else {"label": y}), **columns}, "the arrays")


def columns_of(name: str, array: NDArray[Any]) -> dict[str, Column]:
    """One array as named columns. Raises ShapeError for shapes that are neither columns, tables nor images."""
    if array.ndim == 1 or (array.dtype == np.uint8 and (array.ndim == 3 or (array.ndim == 4 and array.shape[3] == 3))):
        return {name: array}
    if array.ndim == 2:
        return {f"{name}_{column}": array[:, column] for column in range(array.shape[1])}
    raise ShapeError(f"array {name!r} has shape {array.shape} of {array.dtype}; expected (n,), (n, d) or uint8 images")


def _rows(columns: Columns, source: str) -> Iterator[Row]:
    sizes = {name: len(column) for name, column in columns.items()}
    if len(set(sizes.values())) > 1:
        raise DataError(f"{source}: the columns differ in length: {sizes}")
    names = list(columns)
    for line, values in enumerate(zip(*columns.values(), strict=True), start=1):
        yield Row(line, dict(zip(names, values, strict=True)))
