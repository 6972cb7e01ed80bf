"""The ledger: one SQL database, opened by URL. Everything else in `store/` takes a transaction first."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, TypeAlias
from urllib.parse import quote

from sqlalchemy import Connection, create_engine, event, insert, inspect, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from querist.core.errors import LedgerError, MissingExtra, SettingError
from querist.core.hashing import sha256
from querist.store import tables

Tx: TypeAlias = Connection
READING = "querist_reading"
PATIENCE = 30.0
"""Seconds to wait for those who write."""


class Ledger:
    """Opens (and creates, on first use) the ledger at `url`; relative SQLite paths are taken from `base`."""

    def __init__(self, url: str, *, base: Path = Path()) -> None:
        self._engine = _engine(url, base)
        self._reading = self._engine.execution_options(**{READING: True})
        # SQLite lets one write at a time, and lets the others sleep and try again; in a line they wait less.
        self._line = Lock() if self._engine.dialect.name == "sqlite" else None
        try:
            with self._engine.begin() as tx:
                missing = set(tables.metadata.tables) - set(inspect(tx).get_table_names())
                if missing and not self.read_only:  # of a new ledger all, of one by an earlier querist some
                    tables.metadata.create_all(tx)
                if tables.schema.name in missing:
                    tx.execute(insert(tables.schema).values(version=tables.SCHEMA_VERSION))
                found = tx.execute(select(tables.schema.c.version)).scalar_one()
        except DBAPIError as error:
            raise LedgerError(f"cannot open the ledger {self.url}: {error.orig}{self._remedy}") from error
        if found != tables.SCHEMA_VERSION:
            raise LedgerError(
                f"ledger {self.url} has schema {found}, this querist knows {tables.SCHEMA_VERSION}; update querist"
            )

    @property
    def url(self) -> str:
        """Without the password."""
        return str(self._engine.url.render_as_string())

    @property
    def read_only(self) -> bool:
        """Whether its file or folder may not be written, so that it can only be looked at."""
        return "mode" in self._engine.url.query

    @property
    def _remedy(self) -> str:
        return "; its folder is read-only, so copy the project to where you may write" if self.read_only else ""

    @contextmanager
    def begin(self) -> Iterator[Tx]:
        """One transaction: committed at the end of the block, rolled back when it raises."""
        if self._line is not None and not self._line.acquire(timeout=PATIENCE):
            raise LedgerError(f"the ledger {self.url} was busy for {PATIENCE:g} seconds; try again")
        try:
            with self._begin(self._engine) as tx:
                yield tx
        finally:
            if self._line is not None:
                self._line.release()

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A transaction that only reads, and on SQLite does not wait for one that writes."""
        with self._begin(self._reading) as tx:
            yield tx

    @contextmanager
    def _begin(self, engine: Any) -> Iterator[Tx]:  # Any: sqlalchemy's Engine with options
        try:
            with engine.begin() as tx:
                yield tx
        except DBAPIError as error:
            raise LedgerError(f"the ledger {self.url} refused: {error.orig}{self._remedy}") from error

    def close(self) -> None:
        self._engine.dispose()


def iso(at: datetime) -> str:
    """UTC (a time without a zone counts as UTC), to the millisecond: sorts as text in both databases."""
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat(timespec="milliseconds")


def digest(tx: Tx) -> str:
    """SHA-256 over all that the loop decided, without times, durations and artifact bytes.

    Two runs with the same data, settings and seed have the same digest, whether or not one was interrupted.
    """
    leave_out = {"at", "seq", "started_at", "seconds", "seconds_by_part", "artifact", "report"}
    content: dict[str, Any] = {}
    for table in tables.APPEND_ONLY:
        columns = [c for c in table.columns if c.name not in leave_out]
        statement = select(*columns).order_by(table.c.seq) if "seq" in table.c else select(*columns)
        rows = [list(row) for row in tx.execute(statement)]
        # In Python, since each database sorts text its own way.
        content[table.name] = rows if "seq" in table.c else sorted(rows, key=lambda row: json.dumps(row[:2]))
    return sha256(json.dumps(content, sort_keys=True).encode())


def check_url(url: str) -> URL:
    """The URL in its parts. Raises SettingError or MissingExtra when no ledger can be opened by it."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise ArgumentError
        parsed.get_dialect().import_dbapi()
    except (ArgumentError, NoSuchModuleError) as error:
        raise SettingError(
            f"storage.ledger = {url!r} is no database URL; use sqlite:///file.db or postgresql+psycopg://user@host/name"
        ) from error
    except ModuleNotFoundError as error:
        raise MissingExtra(f"the ledger at {parsed.render_as_string()}", "postgres") from error
    return parsed


def _engine(url: str, base: Path) -> Any:  # Any: sqlalchemy's Engine, untyped in its event hooks
    parsed = check_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, hide_parameters=True)
    if parsed.database and parsed.database != ":memory:":
        file = base / parsed.database
        parsed = parsed.set(database=str(file))
        if file.exists() and not (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)):
            return _read_only(parsed, file)
        file.parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, hide_parameters=True, connect_args={"timeout": PATIENCE, "isolation_level": None})

    @event.listens_for(engine, "connect")
    def _pragmas(connection: Any, _: object) -> None:
        # FULL: a label that was acknowledged survives a power cut, because people are paid per label.
        connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA recursive_triggers=ON")  # INSERT OR REPLACE deletes, too

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get(READING) else "BEGIN IMMEDIATE")

    return engine


def _read_only(parsed: URL, file: Path) -> Any:
    # SQLite cannot open a WAL database where it can write nothing, unless it is told that nobody else does either;
    # but then it overlooks changes that still lie in the WAL beside the file.
    wal = Path(f"{file}-wal")
    pending = wal.exists() and wal.stat().st_size > 0
    how = {"mode": "ro", "uri": "true"} if pending else {"mode": "ro", "immutable": "1", "uri": "true"}
    parsed = parsed.set(database=f"file:{quote(str(file.absolute()))}").update_query_dict(how)
    return create_engine(parsed, hide_parameters=True)
