"""Requests that came with a key, and their answers: one that is sent again gets the same answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from querist.store.ledger import Tx, iso
from querist.store.tables import requests as table

KEPT = timedelta(days=1)
GIVEN_UP = timedelta(minutes=2)
"""Whoever has not answered by then was killed: the key is free again."""
MOST = 1_000
"""So many keys of one caller are kept, the newest."""


class Earlier(NamedTuple):
    """What a key stands for already: the request it came with, and the answer; no `status` before there is one."""

    request: str
    status: int | None
    answer: str


def claim(tx: Tx, caller: str, key: str, request: str, *, now: datetime) -> Earlier | None:
    """What the key stands for; None where it stands for this request from now on, until `keep` or `forget`, which are
    told when it was claimed: whoever took so long that another claimed the key after them changes nothing any more."""
    tx.execute(delete(table).where(table.c.at <= iso(now - KEPT)))
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    row = {"caller": caller, "key": key, "request": request, "status": None, "answer": "", "at": iso(now)}
    new = dialect.insert(table).on_conflict_do_nothing().returning(table.c.key)
    if tx.execute(new.values(row)).first() is not None:
        newest = select(table.c.key).where(table.c.caller == caller).order_by(table.c.at.desc())
        tx.execute(delete(table).where(table.c.caller == caller, table.c.key.in_(newest.offset(MOST))))
        return None
    found = tx.execute(select(table).where(*_this(caller, key)).with_for_update()).one_or_none()
    if found is None:  # let go of in this moment
        tx.execute(insert(table).values(row))
        return None
    if found.status is None and found.request == request and found.at <= iso(now - GIVEN_UP):
        tx.execute(update(table).where(*_this(caller, key)).values(at=iso(now)))
        return None
    return Earlier(found.request, found.status, found.answer)


def keep(tx: Tx, caller: str, key: str, *, claimed: datetime, status: int, answer: str) -> None:
    """The answer that the key stands for from now on."""
    mine = *_this(caller, key), table.c.at == iso(claimed)
    tx.execute(update(table).where(*mine).values(status=status, answer=answer))


def forget(tx: Tx, caller: str, key: str, *, claimed: datetime) -> None:
    """The key is free again, unless it has an answer."""
    tx.execute(delete(table).where(*_this(caller, key), table.c.at == iso(claimed), table.c.status.is_(None)))


def _this(caller: str, key: str) -> tuple[ColumnElement[bool], ...]:
    return table.c.caller == caller, table.c.key == key
