"""How labeling goes, as counts over the whole record: times, batches, and who says the same of one item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import case, func, select

from querist.store import queue
from querist.store.ledger import Tx
from querist.store.tables import annotations as given
from querist.store.tables import queries, rounds
from querist.store.tables import queue as waiting

# Within a text the quotes would be escaped.
_RULING, _GOLD = given.c.details.like('%"adjudicated": true%'), given.c.details.like('%"gold": true%')
_ANSWER = given.c.split == "pool", given.c.kind == "answer"


class Times(NamedTuple):
    """`answers` to pool items ever given; of the `timed` ones `counts` (n_bounds + 1,) by the bounds, the last those
    above all, and all their `seconds`."""

    answers: int
    timed: int
    counts: tuple[int, ...]
    seconds: float


class Batch(NamedTuple):
    """Answers to the items of one round, and when the first and the newest came."""

    answers: int
    first: str | None
    newest: str | None


def answer_times(tx: Tx, bounds: Sequence[float]) -> Times:
    """Answers that were undone or corrected count: their time was spent."""
    bin_ = case(*[(given.c.seconds <= bound, at) for at, bound in enumerate(bounds)], else_=len(bounds)).label("bin")
    found = select(bin_, func.count(), func.count(given.c.seconds), func.sum(given.c.seconds))
    counts, answers, seconds = [0] * (len(bounds) + 1), 0, 0.0
    for at, n, timed, took in tx.execute(found.where(*_ANSWER).group_by(bin_)):
        counts[at], answers, seconds = timed, answers + n, seconds + (took or 0.0)
    return Times(answers, sum(counts), tuple(counts), seconds)


def batch_answers(tx: Tx, round: int) -> Batch:
    joined = given.join(queries, queries.c.item == given.c.item)
    found = select(func.count(), func.min(given.c.at), func.max(given.c.at)).select_from(joined)
    return Batch(*tx.execute(found.where(queries.c.round == round, *_ANSWER)).one())


def seconds_by_round(tx: Tx) -> dict[int, float]:
    """Round -> measured seconds of all answers to its items; a round without any is left out."""
    joined = given.join(queries, queries.c.item == given.c.item)
    found = select(queries.c.round, func.sum(given.c.seconds)).select_from(joined).group_by(queries.c.round)
    rows = tx.execute(found.where(given.c.seconds.is_not(None), *_ANSWER))
    return {row[0]: row[1] for row in rows}


def oldest_waiting(tx: Tx) -> str | None:
    """When the round was opened that the first item in the queue belongs to; None where the queue is empty."""
    oldest = select(func.min(waiting.c.round)).scalar_subquery()
    found: str | None = tx.execute(select(rounds.c.at).where(rounds.c.round == oldest)).scalar()
    return found


def shared_labels(tx: Tx) -> list[tuple[str, str, int]]:
    """(item, label, how many gave it) of pool items that were answered more than once, without rulings and gold."""
    shared = select(given.c.item).group_by(given.c.item).having(func.count() > 1)  # the index alone tells
    votes = select(given.c.item, given.c.label, func.count(given.c.annotator.distinct())).where(
        given.c.item.in_(shared), given.c.label.is_not(None), ~_RULING, ~_GOLD, given.c.split == "pool"
    )
    found = tx.execute(votes.where(*queue.stands()).group_by(given.c.item, given.c.label))
    return [(item, label, n) for item, label, n in found]
