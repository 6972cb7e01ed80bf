"""Who answers what: the items that still want answers, and the leases under which annotators hold them.

A lease is a row that ends by itself. Two people never hold the same item beyond the answers it wants: on SQLite one
transaction writes at a time, on PostgreSQL the item's row in the queue is locked before its leases are counted.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, exists, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from querist.store.ledger import Tx, iso
from querist.store.tables import annotations as given
from querist.store.tables import leases, queries, queue

_newer, _theirs, _held = given.alias("newer"), given.alias("theirs"), leases.alias("held")


@cache
def stands(table: Any = given) -> tuple[ColumnElement[bool], ...]:  # Any: the table or an alias of it
    """Conditions of an answer that was neither undone nor corrected."""
    return table.c.kind == "answer", ~exists().where(_newer.c.supersedes == table.c.id)


# What each lease and each answer needs is built once. Any: bound when executed, of no type of their own.
_ITEMS: Any = bindparam("items", expanding=True)
_WHO: Any = bindparam("who")
_NOW: Any = bindparam("now")
_DELETE = delete(queue).where(queue.c.item.in_(_ITEMS))
_HELD = select(leases.c.item).where(leases.c.annotator == _WHO, leases.c.item.in_(_ITEMS))
_CLOSE = (
    update(leases)
    .where(leases.c.item == bindparam("of_item"), leases.c.annotator == bindparam("of_annotator"))
    .where(leases.c.expires_at > _NOW)
    .values(expires_at=_NOW)
)
_ANSWERED = exists().where(_theirs.c.item == queue.c.item, _theirs.c.annotator == _WHO, *stands(_theirs))
_MINE = select(leases.c.item).where(leases.c.annotator == _WHO, leases.c.expires_at > _NOW)
_WITH_OTHERS = (  # of one item: joined with counts of all, these would cost what all leases ever given do
    select(func.count())
    .where(_held.c.item == queue.c.item, _held.c.annotator != _WHO, _held.c.expires_at > _NOW)
    .scalar_subquery()
)
_OPEN = queue.c.answered + _WITH_OTHERS < queue.c.wanted
_IN_ORDER = queue.c.round, queue.c.rank
_KEPT = (
    select(queue.c.item)
    .where(queue.c.item.in_(_MINE.where(leases.c.tab == bindparam("tab"))), ~_ANSWERED)
    .order_by(*_IN_ORDER)
    .limit(bindparam("n"))
)
_FREE = select(queue.c.item).where(~queue.c.item.in_(_MINE), ~_ANSWERED, _OPEN)
_NEXT = _FREE.order_by(*_IN_ORDER).limit(bindparam("n")).with_for_update(skip_locked=True, of=queue)
_STILL_FREE = _FREE.where(queue.c.item.in_(_ITEMS))


def line_up(tx: Tx, items: Collection[str]) -> None:
    """To be called before what was said of these items is read in order to say more: waits for whoever is at it.

    SQLite lets one transaction write at a time. PostgreSQL would let two of them read the same and both write.
    """
    if tx.dialect.name == "sqlite":
        return
    asked = select(queries.c.item).order_by(queries.c.round, queries.c.rank).with_for_update()
    for part in _parts(sorted(items)):
        tx.execute(asked.where(queries.c.item.in_(part)))


def put(tx: Tx, items: Sequence[dict[str, Any]]) -> None:
    """Queues items: item, round, rank, wanted."""
    if items:
        tx.execute(insert(queue), [{**row, "answered": 0} for row in items])
        names = [row["item"] for row in items]
        follow(tx, {item for part in _parts(names) for item in _answered(tx, part)})


def follow(tx: Tx, items: Collection[str]) -> None:
    """Counts the answers of these items again: what has all it wanted, or a ruling, leaves the queue, what lost it
    comes back.
    """
    for part in _parts(sorted(items)):
        if tx.dialect.name != "sqlite":  # there one transaction writes at a time
            here = select(queue.c.item).where(queue.c.item.in_(part))
            tx.execute(here.order_by(queue.c.round, queue.c.rank).with_for_update())
        over = list[str]()
        for *row, waiting, answered, ruled in tx.execute(_counted(), {"items": part}).all():
            item, round, rank, wanted = row
            if ruled or answered >= wanted:
                over += [item] if waiting is not None else []
            elif waiting is None:
                tx.execute(insert(queue).values(item=item, round=round, rank=rank, wanted=wanted, answered=answered))
            elif waiting != answered:
                tx.execute(update(queue).where(queue.c.item == item).values(answered=answered))
        if over:
            tx.execute(_DELETE, {"items": over})


def lease(tx: Tx, annotator: str, tab: str, n: int, *, now: datetime, minutes: float) -> list[str]:
    """Up to n items for one tab of an annotator's browser, in the order asked: those it holds already come first.

    Nobody gets an item that they have answered, nor one that others hold for all the answers it still wants.
    """
    terms = {"who": annotator, "now": iso(now)}
    found = list(tx.execute(_KEPT, {**terms, "tab": tab, "n": n}).scalars())
    if len(found) < n:
        free = list(tx.execute(_NEXT, {**terms, "n": n - len(found)}).scalars())
        if tx.dialect.name != "sqlite":
            # PostgreSQL counted the leases before it had the locks; now nobody else can add one.
            still = set(tx.execute(_STILL_FREE, {**terms, "items": free}).scalars())
            free = [item for item in free if item in still]
        found += free
    row = {
        "annotator": annotator,
        "tab": tab,
        "given_at": iso(now),
        "expires_at": iso(now + timedelta(minutes=minutes)),
    }
    if found:
        tx.execute(_lend(tx.dialect.name), [{"item": item, **row} for item in sorted(found)])  # in the order of `close`
    return found


def renew(tx: Tx, annotator: str, tab: str, *, now: datetime, minutes: float) -> int:
    """Prolongs the leases that one tab still holds, and says how many."""
    until = iso(now + timedelta(minutes=minutes))
    return int(tx.execute(_live(annotator, now).where(leases.c.tab == tab).values(expires_at=until)).rowcount)


def release(
    tx: Tx, annotator: str, *, now: datetime, tab: str | None = None, items: Collection[str] | None = None
) -> int:
    """Ends leases at once, of one tab or all, of these items or all; that the annotator held them stays on record."""
    statement = _live(annotator, now)
    if tab is not None:
        statement = statement.where(leases.c.tab == tab)
    if items is not None:
        statement = statement.where(leases.c.item.in_(list(items)))
    return int(tx.execute(statement.values(expires_at=iso(now))).rowcount)


def close(tx: Tx, answered: Collection[tuple[str, str]], *, now: datetime) -> None:
    """Ends the leases of (item, annotator) pairs that were answered."""
    held = set(answered)
    if len(held) > 1:  # of many the most may be held by nobody, as in an import
        live = select(leases.c.item, leases.c.annotator).where(leases.c.expires_at > iso(now))
        items = sorted({item for item, _ in answered})
        held &= {tuple(row) for part in _parts(items) for row in tx.execute(live.where(leases.c.item.in_(part)))}
    # In order, since two transactions that lock the same rows in another one would wait for each other.
    over = [{"of_item": item, "of_annotator": annotator, "now": iso(now)} for item, annotator in sorted(held)]
    if over:
        tx.execute(_CLOSE, over)


def hold_again(tx: Tx, annotator: str, items: Collection[str], *, now: datetime, minutes: float) -> None:
    """Gives back the leases of items whose answer the annotator has undone, unless others hold them by now."""
    until = iso(now + timedelta(minutes=minutes))
    free = select(queue.c.item).where(queue.c.item.in_(_ITEMS), _OPEN)
    open_ = list(tx.execute(free, {"who": annotator, "now": iso(now), "items": list(items)}).scalars())
    mine = leases.c.annotator == annotator, leases.c.item.in_(open_)
    tx.execute(update(leases).where(*mine).values(expires_at=until))


def ever_held(tx: Tx, annotator: str, items: Collection[str]) -> set[str]:
    """Which of the items were handed to the annotator, be the lease over or not: they may answer late."""
    parts = ({"who": annotator, "items": part} for part in _parts(sorted(items)))
    return {item for part in parts for item in tx.execute(_HELD, part).scalars()}


def waiting(tx: Tx, *, round: int | None = None) -> int:
    """Items that still want an answer."""
    statement = select(func.count()).select_from(queue)
    if round is not None:
        statement = statement.where(queue.c.round == round)
    return int(tx.execute(statement).scalar_one())


def out_of_reach(tx: Tx, annotator: str, *, now: datetime) -> tuple[int, int]:
    """Of the items that still want an answer: how many the annotator holds, and how many wait for others."""
    held = select(leases.c.item).where(leases.c.annotator == annotator, leases.c.expires_at > iso(now))
    mine = select(func.count()).select_from(queue).where(queue.c.item.in_(held))
    n_mine = int(tx.execute(mine).scalar_one())
    return n_mine, waiting(tx) - n_mine


def waiting_by_round(tx: Tx) -> dict[int, int]:
    """Round -> items that still want an answer, for rounds that have any."""
    return {row[0]: row[1] for row in tx.execute(select(queue.c.round, func.count()).group_by(queue.c.round))}


def open_items(tx: Tx) -> list[str]:
    """Items that still want an answer, in the order asked."""
    return list(tx.execute(select(queue.c.item).order_by(queue.c.round, queue.c.rank)).scalars())


def holders(tx: Tx, *, now: datetime) -> list[dict[str, Any]]:
    """Who has what: annotator, item and expires_at of every lease that lasts."""
    live = select(leases.c.annotator, leases.c.item, leases.c.given_at, leases.c.expires_at)
    open_ = leases.c.item.in_(select(queue.c.item))
    found = live.where(leases.c.expires_at > iso(now), open_)
    return [dict(row) for row in tx.execute(found.order_by(leases.c.annotator, leases.c.item)).mappings()]


@cache
def _lend(dialect: str) -> Any:  # Any: an insert of one dialect
    """Gives an item to an annotator, or prolongs the lease that was given."""
    statement = (sqlite if dialect == "sqlite" else postgresql).insert(leases)
    renewed = {"expires_at": statement.excluded.expires_at, "tab": statement.excluded.tab}
    return statement.on_conflict_do_update(index_elements=["item", "annotator"], set_=renewed)


def _live(annotator: str, now: datetime) -> Any:  # Any: an update, whose values follow
    return update(leases).where(leases.c.annotator == annotator, leases.c.expires_at > iso(now))


def _answered(tx: Tx, items: Sequence[str]) -> dict[str, int]:
    counted = select(given.c.item, func.count(given.c.annotator.distinct()))
    rows = tx.execute(counted.where(given.c.item.in_(items), *stands()).group_by(given.c.item))
    return {row.item: row[1] for row in rows}


@cache
def _counted() -> Any:  # Any: a select
    """Of asked items: what the queue says of each (None: it is not there), its answers, and whether a lead decided."""
    of_item = given.c.item == queries.c.item, *stands()
    answered = select(func.count(given.c.annotator.distinct())).where(*of_item).correlate(queries).scalar_subquery()
    ruling = given.c.details.like('%"adjudicated": true%')  # within a text the quotes would be escaped
    ruled = select(given.c.id).where(ruling, *of_item).correlate(queries).exists()
    asked = (queries.c.item, queries.c.round, queries.c.rank, queries.c.wanted)
    found = select(*asked, queue.c.answered, answered, ruled).outerjoin(queue, queue.c.item == queries.c.item)
    return found.where(queries.c.item.in_(_ITEMS))


def _parts(items: Sequence[str], size: int = 500) -> list[Sequence[str]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
