"""Annotations: what people (or a simulated annotator) said of an item."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, func, select, text
from sqlalchemy.dialects import postgresql, sqlite

from querist.store import queue
from querist.store.ledger import Tx, iso
from querist.store.tables import annotations as table

NO_DETAILS: Mapping[str, Any] = MappingProxyType({})


class Annotation(NamedTuple):
    """`id` is made by whoever annotates, so that sending it twice is harmless; `label` None is a skip.

    `kind` "undo" takes back the annotation it supersedes and says nothing itself. `details` holds what else the page
    knows: the reason of a skip, a flag, what was shown.
    """

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
    kind: str = "answer"
    details: Mapping[str, Any] = NO_DETAILS


# What each answer needs is built once.
_SAID = (
    select(*[table.c[name] for name in Annotation._fields], and_(*queue.stands()).label("stands"))
    .where(
        table.c.id.in_(bindparam("ids", expanding=True))
        | (table.c.item.in_(bindparam("items", expanding=True)) & (table.c.annotator == bindparam("who")))
    )
    .order_by(table.c.seq)
)
_ADD = {
    name: dialect.insert(table).on_conflict_do_nothing(index_elements=["id"]).returning(table.c.id)
    for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
}


def add_annotations(tx: Tx, added: Sequence[Annotation], *, now: datetime) -> int:
    """Inserts those whose id is new and returns how many were; queue and leases follow."""
    if not added:
        return 0
    rows = [{**a._asdict(), "at": a.at or iso(now), "details": _to_json(a.details)} for a in added]
    n_new = len(tx.execute(_ADD[tx.dialect.name], rows).all())
    queue.follow(tx, {a.item for a in added})
    queue.close(tx, {(a.item, a.annotator) for a in added}, now=now)
    return n_new


@dataclass(frozen=True)
class Effort:
    """Answers of pool items that stand, the measured seconds of all answers, and the answers that came without a
    time. An item that two people answered counts twice, since both are paid.
    """

    labels: int
    seconds: float
    untimed: int


def effort(tx: Tx) -> Effort:
    answered, seconds = (table.c.split == "pool", table.c.kind == "answer"), table.c.seconds
    answers = select(func.count(), func.sum(seconds), func.count(seconds))
    given, measured, timed = tx.execute(answers.where(*answered)).one()
    superseded = select(table.c.supersedes).where(table.c.supersedes.is_not(None))  # few, so all of them at once
    standing = select(table.c.item, table.c.annotator).where(*answered, table.c.id.not_in(superseded))
    labels = tx.execute(select(func.count()).select_from(standing.distinct().subquery())).scalar_one()
    return Effort(labels, measured or 0.0, given - timed)


def list_annotations(tx: Tx, *, split: str | None = None, shared: bool = False) -> list[Annotation]:
    """In the order they arrived; `shared` leaves out those that stand alone on their item, unless they are gold."""
    statement = select(*[table.c[name] for name in Annotation._fields]).order_by(table.c.seq)
    if split is not None:
        statement = statement.where(table.c.split == split)
    if shared:
        several = select(table.c.item).group_by(table.c.item).having(func.count() > 1)
        statement = statement.where(table.c.item.in_(several) | table.c.details.contains('"gold": true'))
    return [_made(row) for row in tx.execute(statement).all()]


def annotations_between(tx: Tx, after: int, until: int, *, limit: int) -> tuple[list[Annotation], int]:
    """Those that arrived later than `after` and not later than `until`, and how far they go; places are their `seq`."""
    columns = select(*[table.c[name] for name in Annotation._fields], table.c.seq)
    found = columns.where(table.c.seq > after, table.c.seq <= until).order_by(table.c.seq).limit(limit)
    rows = tx.execute(found).all()
    return [_made(row[:-1]) for row in rows], rows[-1].seq if len(rows) == limit else max(until, after)


def annotations_of(tx: Tx, items: Collection[str]) -> list[Annotation]:
    """All that was ever said of these items, each in the order it arrived."""
    columns, wanted = select(*[table.c[name] for name in Annotation._fields]).order_by(table.c.seq), sorted(items)
    parts = [wanted[start : start + 500] for start in range(0, len(wanted), 500)]
    return [_made(row) for part in parts for row in tx.execute(columns.where(table.c.item.in_(part)))]


def find_annotations(tx: Tx, ids: Collection[str]) -> list[Annotation]:
    """Those of the ids."""
    columns = select(*[table.c[name] for name in Annotation._fields])
    return [_made(row) for row in tx.execute(columns.where(table.c.id.in_(list(ids))).order_by(table.c.seq))]


def said_before(
    tx: Tx, annotator: str, *, ids: Collection[str], items: Collection[str]
) -> tuple[list[Annotation], list[Annotation]]:
    """Those of the ids, and the standing ones of the annotator on the items."""
    rows = tx.execute(_SAID, {"who": annotator, "ids": list(ids), "items": list(items)}).all()
    found = [(_made(row[:-1]), row[-1]) for row in rows]
    known = [a for a, _ in found if a.id in ids]
    return known, [a for a, stands in found if stands and a.annotator == annotator and a.item in items]


def page_of_annotations(tx: Tx, *, after: int, limit: int) -> tuple[list[Annotation], int | None]:
    """Those that arrived after the number `after`, and the number to go on from; None when there are none."""
    if tx.dialect.name == "postgresql":
        # It numbers rows before they are committed: a lower number could appear behind who has read on from a higher.
        tx.execute(text("LOCK TABLE annotations IN SHARE MODE"))
    columns = select(table.c.seq, *[table.c[name] for name in Annotation._fields])
    rows = tx.execute(columns.where(table.c.seq > after).order_by(table.c.seq).limit(limit)).all()
    return [_made(row[1:]) for row in rows], rows[-1].seq if rows else None


def page_answers(tx: Tx) -> tuple[int, str | None]:
    """How many answers came through the labeling page, and when the newest did."""
    through = table.c.kind == "answer", table.c.details.like('%"shown": %')  # within a text the quotes are escaped
    n, newest = tx.execute(select(func.count(), func.max(table.c.at)).where(*through)).one()
    return int(n), newest


def _made(row: Any) -> Annotation:  # Any: a row of the columns of Annotation
    return Annotation._make((*row[:-1], _from_json(row[-1])))


def _to_json(details: Mapping[str, Any]) -> str:
    return json.dumps(dict(details)) if details else ""


def _from_json(stored: str) -> Mapping[str, Any]:
    details: Mapping[str, Any] = json.loads(stored) if stored else NO_DETAILS
    return details
