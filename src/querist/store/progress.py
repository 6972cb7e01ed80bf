"""How far the newest round is, and one person in it."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import bindparam, case, func, select

from querist.store.ledger import Tx
from querist.store.queue import stands
from querist.store.tables import annotations as given
from querist.store.tables import queue, rounds


class Progress(NamedTuple):
    """Of the newest `round`: the items that are `waiting` for an answer; the person's standing answers."""

    round: int | None
    waiting: int
    today: int
    mine: int


_NEWEST = select(func.max(rounds.c.round)).scalar_subquery()
_WAITING = select(func.count()).select_from(queue).where(queue.c.round == _NEWEST).scalar_subquery()
_TODAY = func.coalesce(func.sum(case((given.c.at >= bindparam("since"), 1), else_=0)), 0)
_PROGRESS = select(_NEWEST, _WAITING, _TODAY, func.count(given.c.id)).where(
    given.c.annotator == bindparam("who"), *stands()
)


def progress(tx: Tx, annotator: str, *, since: str) -> Progress:
    """`today` counts from an ISO time on."""
    return Progress(*tx.execute(_PROGRESS, {"who": annotator, "since": since}).one())
