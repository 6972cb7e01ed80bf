"""Annotations: what people (or a simulated annotator) said of an item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite

from querist.store.ledger import Tx, iso
from querist.store.tables import annotations as table


class Annotation(NamedTuple):
    """`id` is made by whoever annotates, so that sending it twice is harmless; `label` None is a skip."""

    id: str
    item: str
    position: int
    split: str
    label: str | None
    annotator: str
    supersedes: str | None = None
    seconds: float | None = None
    note: str = ""
    at: str = ""


def add_annotations(tx: Tx, added: Sequence[Annotation], *, now: datetime) -> int:
    """Inserts those whose id is new and returns how many were."""
    if not added:
        return 0
    before = tx.execute(select(func.count()).select_from(table)).scalar_one()
    rows = [{**a._asdict(), "at": a.at or iso(now)} for a in added]
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    tx.execute(dialect.insert(table).on_conflict_do_nothing(index_elements=["id"]), rows)
    return int(tx.execute(select(func.count()).select_from(table)).scalar_one() - before)


@dataclass(frozen=True)
class Effort:
    """Pool items answered so far, the measured seconds of all answers, and the answers that came without a time."""

    labels: int
    seconds: float
    untimed: int


def effort(tx: Tx) -> Effort:
    seconds = table.c.seconds
    counts = select(func.count(table.c.item.distinct()), func.count(), func.sum(seconds), func.count(seconds))
    labels, answers, measured, timed = tx.execute(counts.where(table.c.split == "pool")).one()
    return Effort(labels, measured or 0.0, answers - timed)


def list_annotations(tx: Tx, *, split: str | None = None) -> list[Annotation]:
    """In the order they arrived."""
    statement = select(*[table.c[name] for name in Annotation._fields]).order_by(table.c.seq)
    if split is not None:
        statement = statement.where(table.c.split == split)
    return list(map(Annotation._make, tx.execute(statement)))
