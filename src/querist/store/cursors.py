"""How far a source of labels has been read, so that the next look starts there."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from querist.store.ledger import Tx
from querist.store.tables import cursors


def get_cursor(tx: Tx, source: str) -> str | None:
    """The time that the source itself gave; None before the first look."""
    return tx.execute(select(cursors.c.at).where(cursors.c.source == source)).scalar()


def set_cursor(tx: Tx, source: str, at: str) -> None:
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(cursors).values(source=source, at=at)
    tx.execute(statement.on_conflict_do_update(index_elements=["source"], set_={"at": at}))
