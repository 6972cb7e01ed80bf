"""Answers that Label Studio was sent, and what they are there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from querist.store.ledger import Tx, iso
from querist.store.tables import sent_answers as table

Sent = Mapping[str, Mapping[str, str]]
"""Task there -> id of the answer -> its annotation there."""


def add_sent(tx: Tx, place: str, roots: Mapping[str, str], *, now: datetime) -> None:
    """Answers of one task, each with its annotation there; what is on record already stays."""
    if roots:
        rows = [{"place": place, "answer": answer, "root": root, "at": iso(now)} for answer, root in roots.items()]
        dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
        tx.execute(dialect.insert(table).on_conflict_do_nothing(), rows)


def list_sent(tx: Tx) -> dict[str, dict[str, str]]:
    found = dict[str, dict[str, str]]()
    for place, answer, root in tx.execute(select(table.c.place, table.c.answer, table.c.root)):
        found.setdefault(place, {})[answer] = root
    return found
