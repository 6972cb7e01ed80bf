"""Annotations: what people (or a simulated annotator) said of an item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite

from querist.store.ledger import Tx, iso
from querist.store.tables import annotations as table


@dataclass(frozen=True)
class Annotation:
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
    rows = [{**vars(a), "at": a.at or iso(now)} for a in added]
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
    statement = select(*[table.c[field.name] for field in fields(Annotation)]).order_by(table.c.seq)
    if split is not None:
        statement = statement.where(table.c.split == split)
    return [Annotation(*row) for row in tx.execute(statement)]
