"""Webhooks: how far each receiver has been told, what waits to be delivered, and what was received."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from querist.store.annotations import Annotation, annotations_between
from querist.store.ledger import Tx, iso
from querist.store.tables import annotations as given
from querist.store.tables import rounds, steps
from querist.store.tables import webhook_deliveries as deliveries
from querist.store.tables import webhook_positions as positions
from querist.store.tables import webhook_received as received

State = Literal["waiting", "delivered", "given up"]
AT_ONCE = 1_000
_TRANSACTIONS = text(
    "SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint FROM pg_current_snapshot() AS s"
)


@dataclass(frozen=True)
class Delivery:
    """One event for one receiver. `next_at` is when it is due, or was delivered; `status` is the HTTP status of the
    last attempt, None where none came.
    """

    id: str
    url: str
    event: str
    body: str
    at: str
    state: State = "waiting"
    attempts: int = 0
    status: int | None = None
    error: str = ""
    next_at: str = ""
    tried_at: str | None = None


@dataclass(frozen=True)
class News:
    """What a receiver has not been told: annotations, rounds that were opened, and by step the rounds that ended it."""

    annotations: Sequence[Annotation]
    opened: Sequence[int]
    ended: Mapping[str, Sequence[int]]
    moved: Mapping[str, int]
    """Where the receiver then stands, for `remember`; empty where it stands there already."""


class Horizon(NamedTuple):
    """The newest annotation; the oldest transaction that runs, and the number that the next one will have."""

    newest: int
    oldest: int
    next: int


def horizon(tx: Tx) -> Horizon:
    """To be asked before anything else in a transaction that writes nothing."""
    newest = tx.execute(select(func.max(given.c.seq))).scalar() or 0
    oldest, following = (0, 0) if tx.dialect.name == "sqlite" else tx.execute(_TRANSACTIONS).one()
    return Horizon(newest, oldest, following)


def news(tx: Tx, url: str, seen: Horizon) -> News:
    """What has happened since what was remembered for this receiver; at first, which round is open."""
    known = tx.execute(select(positions).where(positions.c.url == url)).mappings().first()
    row = known or _start(tx, seen)
    settled, candidate = _settled(row, seen)
    new, last = annotations_between(tx, row["annotation"], settled, limit=AT_ONCE)
    opened = sorted(tx.execute(select(rounds.c.round).where(rounds.c.round > row["opened"])).scalars())
    ended = {name: _done(tx, name, row[column]) for name, column in _STEPS.items()}
    moved = {"annotation": last, "opened": max(opened, default=row["opened"]), **candidate}
    moved |= {column: max(ended[name], default=row[column]) for name, column in _STEPS.items()}
    stays = known is not None and all(row[name] == value for name, value in moved.items())
    return News(new, opened, ended, {} if stays else {"seen": row["seen"], "until": row["until"], **moved})


def remember(tx: Tx, url: str, moved: Mapping[str, int]) -> None:
    """Goes together with `put`: what was queued is no news any more."""
    if moved:
        dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
        new = dialect.insert(positions).values(url=url, **moved)
        tx.execute(new.on_conflict_do_update(index_elements=["url"], set_=dict(moved)))


_STEPS = {"human_labeling": "completed", "evaluation": "evaluated"}


def _start(tx: Tx, seen: Horizon) -> dict[str, int]:
    ends = {column: _last(tx, name) for name, column in _STEPS.items()}
    return {"annotation": seen.newest, "opened": ends["completed"], **ends, "seen": seen.newest, "until": seen.next}


def _last(tx: Tx, name: str) -> int:
    found = tx.execute(select(func.max(steps.c.round)).where(steps.c.name == name)).scalar()
    return -1 if found is None else int(found)


def _done(tx: Tx, name: str, after: int) -> list[int]:
    return sorted(tx.execute(select(steps.c.round).where(steps.c.name == name, steps.c.round > after)).scalars())


def _settled(row: Any, seen: Horizon) -> tuple[int, dict[str, int]]:  # Any: a row of positions
    """The annotation up to which no other can appear any more, and what to remember for the next time.

    SQLite writes one transaction at a time. PostgreSQL numbers annotations before they are committed, so that a lower
    number may come after a higher one: what was the newest is settled once all transactions that ran then have ended.
    """
    if seen.newest == row["annotation"]:
        return seen.newest, {}
    if seen.oldest == seen.next:
        return seen.newest, {"seen": seen.newest, "until": seen.next}
    if seen.oldest >= row["until"]:
        return row["seen"], {"seen": seen.newest, "until": seen.next}
    return row["annotation"], {}


def put(tx: Tx, added: Sequence[Delivery]) -> int:
    """Queues deliveries whose id is new and returns how many were."""
    if not added:
        return 0
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    new = dialect.insert(deliveries).on_conflict_do_nothing(index_elements=["id"]).returning(deliveries.c.id)
    return len(tx.execute(new, [{**vars(d), "next_at": d.next_at or d.at} for d in added]).all())


def is_known(tx: Tx, id: str) -> bool:
    """Whether a delivery was ever queued."""
    return tx.execute(select(deliveries.c.seq).where(deliveries.c.id == id)).first() is not None


def claim(tx: Tx, url: str, n: int, *, now: datetime, seconds: float) -> list[Delivery]:
    """Up to n deliveries that are due, oldest first; nobody else gets them for so many seconds."""
    due = deliveries.c.url == url, deliveries.c.state == "waiting", deliveries.c.next_at <= iso(now)
    wanted = select(deliveries).where(*due).order_by(deliveries.c.next_at, deliveries.c.seq).limit(n)
    found = [_delivery(row) for row in tx.execute(wanted.with_for_update(skip_locked=True)).mappings()]
    _change(tx, [d.id for d in found], next_at=iso(now + timedelta(seconds=seconds)))
    return found


def has_due(tx: Tx, url: str, *, now: datetime) -> bool:
    due = deliveries.c.url == url, deliveries.c.state == "waiting", deliveries.c.next_at <= iso(now)
    return tx.execute(select(deliveries.c.seq).where(*due).limit(1)).first() is not None


def record_attempt(
    tx: Tx, tried: Delivery, *, status: int | None, error: str, again: datetime | None, now: datetime
) -> None:
    """Writes how an attempt ended: without an error delivered, with one tried `again` or given up (None)."""
    state = "delivered" if not error else "given up" if again is None else "waiting"
    values = {"state": state, "attempts": tried.attempts + 1, "status": status, "error": error, "tried_at": iso(now)}
    _change(tx, [tried.id], **values, next_at=iso(again or now))


def put_back(tx: Tx, claimed: Sequence[Delivery], *, now: datetime) -> None:
    """Deliveries that were claimed and not tried are due again at once."""
    _change(tx, [d.id for d in claimed], next_at=iso(now))


def requeue(tx: Tx, ids: Collection[str] | None, *, now: datetime) -> int:
    """Those that were given up (all, or these ids) start again, and how many they are."""
    again = update(deliveries).where(deliveries.c.state == "given up")
    if ids is not None:
        again = again.where(deliveries.c.id.in_(list(ids)))
    return int(tx.execute(again.values(state="waiting", attempts=0, next_at=iso(now))).rowcount)


def prune(tx: Tx, *, before: datetime) -> int:
    """Forgets what was delivered before then, and says how many deliveries that was."""
    known = deliveries.c.url.in_(select(positions.c.url))  # with it the index serves
    old = deliveries.c.state == "delivered", known, deliveries.c.next_at < iso(before)
    return int(tx.execute(delete(deliveries).where(*old)).rowcount)


def list_deliveries(tx: Tx, *, state: State | None = None, limit: int | None = None) -> list[Delivery]:
    """Newest first."""
    statement = select(deliveries).order_by(deliveries.c.seq.desc()).limit(limit)
    if state is not None:
        statement = statement.where(deliveries.c.state == state)
    return [_delivery(row) for row in tx.execute(statement).mappings()]


def receive(tx: Tx, id: str, *, now: datetime) -> bool:
    """Remembers an incoming webhook; False where one of this id has been received."""
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    new = dialect.insert(received).on_conflict_do_nothing(index_elements=["id"]).returning(received.c.id)
    return tx.execute(new.values(id=id, at=iso(now))).first() is not None


def _change(tx: Tx, ids: Sequence[str], **values: Any) -> None:  # Any: columns of deliveries
    if ids:
        tx.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(values))


def _delivery(row: Any) -> Delivery:  # Any: a row of deliveries, by column
    return Delivery(**{name: value for name, value in row.items() if name != "seq"})
