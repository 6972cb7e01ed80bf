"""The audit log: who did what to accounts and settings, and when. Never a password, a secret or the text of an item."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select

from querist.store.ledger import Tx, iso
from querist.store.tables import audit as table


@dataclass(frozen=True)
class Entry:
    at: str
    who: str
    what: str
    detail: dict[str, str]


def note(tx: Tx, who: str, what: str, *, now: datetime, **detail: str) -> None:
    """Adds one entry; it is kept exactly if the transaction is."""
    tx.execute(insert(table).values(at=iso(now), who=who, what=what, detail=json.dumps(detail, sort_keys=True)))


def list_entries(tx: Tx, *, last: int | None = None) -> list[Entry]:
    """Oldest first; `last` leaves only the newest ones."""
    rows = tx.execute(select(table).order_by(table.c.seq.desc()).limit(last)).all()
    return [Entry(row.at, row.who, row.what, json.loads(row.detail)) for row in reversed(rows)]
