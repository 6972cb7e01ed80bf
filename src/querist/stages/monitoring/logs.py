"""The prediction log: what a served model said, in Parquet files that the drift checks read."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import DataError
from querist.core.label_sets import LabelSets
from querist.core.types import Embeddings, Probabilities
from querist.stages.monitoring.said import said

FLUSH_SECONDS = 5.0
ROWS_PER_FILE = 10_000
MOST_FILES = 200
MOST_PENDING = 50_000
"""Rows that may wait to be written; beyond them new ones are dropped and counted, since answers come first."""


def schema() -> Any:  # Any: a pyarrow schema, imported late
    """Columns of the log. `version` is the project's model version; `n_chars`, `unseen` and `item` (the input as JSON)
    are null where they are not kept."""
    import pyarrow as pa

    return pa.schema(
        [
            ("at", pa.timestamp("us", tz="UTC")),
            ("request_id", pa.string()),
            ("version", pa.string()),
            ("label", pa.string()),
            ("confidence", pa.float32()),
            ("entropy", pa.float32()),
            ("proba", pa.list_(pa.float32())),
            ("n_chars", pa.int32()),
            ("unseen", pa.float32()),
            ("embedding", pa.list_(pa.float16())),
            ("item", pa.string()),
        ]
    )


class PredictionLog:
    """Writes rows in the background, a file of at most `rows_per_file` at a time, which is replaced whole as it grows.

    Never blocks the caller: rows beyond MOST_PENDING are dropped and counted in `dropped`, and so are those that the
    disk refused. A crash loses what came in the last `flush_seconds`. Of each process's folder the newest `most_files`
    are kept. Several processes may write into one folder.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        flush_seconds: float = FLUSH_SECONDS,
        rows_per_file: int = ROWS_PER_FILE,
        most_files: int = MOST_FILES,
    ) -> None:
        self._folder = Path(folder)
        self._flush_seconds, self._rows_per_file, self._most_files = flush_seconds, rows_per_file, most_files
        self._pending: list[Any] = []  # Any: pyarrow tables
        self._n_pending = 0
        self._current: list[Any] = []
        self._path: Path | None = None
        self._wake = threading.Condition()
        self._writing = threading.Lock()
        self._closed = False
        self.dropped = self.written = 0
        self._folder.mkdir(parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    def add(
        self,
        *,
        at: datetime,
        version: str,
        request_ids: Sequence[str],
        classes: Sequence[str],
        proba: Probabilities,
        embeddings: Embeddings,
        sets: LabelSets | None = None,
        n_chars: Sequence[int] | None = None,
        unseen: Sequence[float] | None = None,
        items: Sequence[str] | None = None,
    ) -> None:
        """Queues n predictions: `proba` (n, n_classes), `embeddings` (n, n_dims); `items` only where texts are kept.

        They are a microsecond apart, since a drift check goes on after the moment at which its last window ended.
        """
        import pyarrow as pa

        n = len(request_ids)
        proba = np.asarray(proba, dtype=np.float32)
        columns = {
            "at": [at + timedelta(microseconds=place) for place in range(n)],
            "request_id": list(request_ids),
            "version": [version] * n,
            **said(proba, classes, sets),
            "proba": list(proba),
            "n_chars": [None] * n if n_chars is None else list(n_chars),
            "unseen": [None] * n if unseen is None else list(unseen),
            "embedding": list(np.asarray(embeddings, dtype=np.float16)),
            "item": [None] * n if items is None else list(items),
        }
        rows = pa.table({name: pa.array(columns[name], type_) for name, type_ in zip(*_types(), strict=True)})
        with self._wake:
            if self._closed or self._n_pending + n > MOST_PENDING:
                self.dropped += n
                return
            self._pending.append(rows)
            self._n_pending += n

    def flush(self) -> None:
        """Writes what is pending now."""
        with self._writing:
            with self._wake:
                taken, self._pending, self._n_pending = self._pending, [], 0
            if not taken:
                return
            try:
                self._write(taken)
            except OSError:
                self._current, self._path = [], None  # what is on disk stays; the next rows begin a new file
                with self._wake:
                    self.dropped += sum(len(rows) for rows in taken)

    def close(self) -> None:
        """Writes the rest and ends; rows that come later are dropped."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join()
        self.flush()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._closed, timeout=self._flush_seconds)
                if self._closed:
                    return
            self.flush()

    def _write(self, taken: Sequence[Any]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        for rows in taken:
            if self._path is None:
                self._path = self._folder / f"{time.time_ns():020d}-{os.getpid()}.parquet"
            self._current.append(rows)
            if sum(map(len, self._current)) >= self._rows_per_file:
                self._save(pq, pa.concat_tables(self._current))
                self._current, self._path = [], None
                self._rotate()
        if self._path is not None:
            whole = pa.concat_tables(self._current).combine_chunks()
            self._current = [whole]
            self._save(pq, whole)
        self.written += sum(map(len, taken))

    def _save(self, pq: Any, rows: Any) -> None:  # Any: pyarrow.parquet and a table
        assert self._path is not None  # the caller named it
        beside = self._path.with_suffix(".part")
        pq.write_table(rows, beside, compression="zstd")
        beside.replace(self._path)

    def _rotate(self) -> None:
        for path in sorted(self._folder.glob("*.parquet"))[: -self._most_files]:
            path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Logged:
    """n rows of a log, oldest first: `at` (n,) datetime64[us] in UTC, `proba` (n, n_classes), `embeddings` (n, n_dims)
    float16, of no columns where some were not kept, `n_chars`, `unseen` (n,) NaN where unknown, `items` the inputs as
    JSON, None where they were not kept."""

    at: NDArray[np.datetime64]
    request_ids: tuple[str, ...]
    version: str
    proba: Probabilities
    embeddings: NDArray[np.float16]
    n_chars: NDArray[np.float64]
    unseen: NDArray[np.float64]
    items: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.at)

    def rows(self, part: slice) -> Logged:
        return Logged(
            self.at[part],
            self.request_ids[part],
            self.version,
            self.proba[part],
            self.embeddings[part],
            self.n_chars[part],
            self.unseen[part],
            self.items[part],
        )


def models_logged(folder: str | Path) -> list[str]:
    """Model versions in the log, the one that answered last at the end."""
    newest: dict[str, Any] = {}
    for path in _files(folder):
        table = _read(path, columns=["at", "version"])
        for row in table.group_by("version").aggregate([("at", "max")]).to_pylist():
            name = row["version"]
            newest[name] = max(row["at_max"], newest.get(name, row["at_max"]))
    return sorted(newest, key=lambda name: newest[name])


def read_log(
    folder: str | Path, version: str, *, after: datetime | None = None, until: datetime | None = None
) -> Logged | None:
    """Rows of one model later than `after` and not later than `until`; None where there is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keep = pc.field("version") == version
    moment = pa.timestamp("us", tz="UTC")
    if after is not None:
        keep = keep & (pc.field("at") > pa.scalar(after, moment))
    if until is not None:
        keep = keep & (pc.field("at") <= pa.scalar(until, moment))
    read = [_read(path, filters=keep) for path in _files(folder)]
    if not sum(map(len, read)):
        return None
    rows = pa.concat_tables(read).sort_by("at")
    return Logged(
        at=rows["at"].cast(pa.timestamp("us")).to_numpy(),
        request_ids=tuple(rows["request_id"].to_pylist()),
        version=version,
        proba=_matrix(rows["proba"]),
        embeddings=_matrix(rows["embedding"]) if _alike(rows["embedding"]) else np.zeros((len(rows), 0), np.float16),
        n_chars=rows["n_chars"].cast(pa.float64()).to_numpy(),
        unseen=rows["unseen"].cast(pa.float64()).to_numpy(),
        items=tuple(rows["item"].to_pylist()),
    )


def _read(path: Path, **how: Any) -> Any:  # Any: a pyarrow table
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, schema=schema(), partitioning=None, **how)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is no file of a prediction log ({error}); move it elsewhere") from None


def _types() -> tuple[list[str], list[Any]]:
    found = schema()
    return found.names, found.types


def _files(folder: str | Path) -> list[Path]:
    return sorted(Path(folder).glob("*.parquet"))


def _alike(column: Any) -> bool:  # Any: a pyarrow column of lists
    import pyarrow.compute as pc

    lengths = pc.min_max(pc.list_value_length(column))
    return bool(lengths["min"] == lengths["max"])


def _matrix(column: Any) -> NDArray[Any]:  # Any: a pyarrow column of lists of one length
    values: NDArray[Any] = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(column), -1)
