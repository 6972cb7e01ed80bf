"""Arrays: an .npz file, or what scikit-learn users hold in memory."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.lib.format import read_array_header_1_0, read_array_header_2_0, read_magic
from numpy.typing import NDArray

from querist.config.data import DataSettings
from querist.core.errors import DataError, QueristError, ShapeError
from querist.stages.raw_data.rows import BadRow, Row, require_columns

BLOCK_BYTES = 4 << 20
Column = Sequence[Any] | NDArray[Any]  # Any: strings, numbers or images, as the caller holds them
Columns = Mapping[str, Column]


def read_arrays(source: Path, data: DataSettings) -> Iterator[Row | BadRow]:
    """Each key of the .npz is a column (`X` of shape (n, d): columns X_0 .. X_(d-1)), read some megabytes at a time."""
    try:
        with ZipFile(source) as archive:
            stored = {name.removesuffix(".npy"): _open(archive, name) for name in archive.namelist()}
            named = {key: columns_of(key, array.take(0)) for key, array in stored.items()}
            sizes = {name: stored[key].n_rows for key, columns in named.items() for name in columns}
            require_columns(sizes, data, str(source))
            n_rows = _length(sizes, str(source))
            at_once = max(1, BLOCK_BYTES // max(1, sum(array.row_bytes for array in stored.values())))
            for start in range(0, n_rows, at_once):
                n = min(at_once, n_rows - start)
                parts = (columns_of(key, array.take(n)) for key, array in stored.items())
                yield from _rows({name: column for part in parts for name, column in part.items()}, start)
    except QueristError:
        raise
    except (ValueError, BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{source} cannot be read as .npz without pickle: {error}") from None


class _Stored(NamedTuple):
    """An array in a file; `take(n)` gives its next n rows."""

    n_rows: int
    row_bytes: int
    take: Callable[[int], NDArray[Any]]


def _open(archive: ZipFile, name: str) -> _Stored:
    file = archive.open(name)
    header = read_array_header_1_0 if read_magic(file) == (1, 0) else read_array_header_2_0
    shape, by_column, dtype = header(file)
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects")
    if not shape:
        raise ShapeError(
            f"array {name.removesuffix('.npy')!r} is a single value; expected one value or row for each item"
        )
    row_bytes = dtype.itemsize * math.prod(shape[1:])
    # Where columns lie one after the other (Fortran's order) the whole is read at once.
    whole = np.frombuffer(_exactly(file, shape[0] * row_bytes), dtype).reshape(shape[::-1]).T if by_column else None
    given = 0

    def take(n: int) -> NDArray[Any]:
        nonlocal given
        given += n
        if whole is not None:
            return whole[given - n : given]
        return np.frombuffer(_exactly(file, n * row_bytes), dtype).reshape(n, *shape[1:])

    return _Stored(shape[0], row_bytes, take)


def _exactly(file: IO[bytes], n: int) -> bytes:
    found = file.read(n)
    if len(found) < n:
        raise EOFError("an array ends before its last row")
    return found


def rows_of(X: Any, y: Column | None = None, **columns: Column) -> Iterator[Row]:  # X: array, table or list
    """Rows of arrays in memory: columns of `X` (`text`, `image`, `X_0`.. or its own names), `label` and others."""
    if hasattr(X, "keys"):
        found = {str(key): X[key].to_numpy() if hasattr(X[key], "to_numpy") else X[key] for key in X.keys()}  # noqa: SIM118 - a DataFrame's keys are its columns
    else:
        block = np.asarray(X)
        name = "image" if block.dtype == np.uint8 and block.ndim in (3, 4) else "X" if block.ndim == 2 else "text"
        found = columns_of(name, block)
    whole = {**found, **({} if y is None else {"label": y}), **columns}
    _length({name: len(column) for name, column in whole.items()}, "the arrays")
    return _rows(whole, 0)


def columns_of(name: str, array: NDArray[Any]) -> dict[str, Column]:
    """One array as named columns. Raises ShapeError for shapes that are neither columns, tables nor images."""
    if array.ndim == 1 or (array.dtype == np.uint8 and (array.ndim == 3 or (array.ndim == 4 and array.shape[3] == 3))):
        return {name: array}
    if array.ndim == 2:
        return {f"{name}_{column}": array[:, column] for column in range(array.shape[1])}
    raise ShapeError(f"array {name!r} has shape {array.shape} of {array.dtype}; expected (n,), (n, d) or uint8 images")


def _rows(columns: Columns, start: int) -> Iterator[Row]:
    names = list(columns)
    for line, values in enumerate(zip(*columns.values(), strict=True), start=start + 1):
        yield Row(line, dict(zip(names, values, strict=True)))


def _length(sizes: Mapping[str, int], source: str) -> int:
    if len(set(sizes.values())) > 1:
        raise DataError(f"{source}: the columns differ in length: {sizes}")
    return next(iter(sizes.values()), 0)
