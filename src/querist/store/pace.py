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


class Agreed(NamedTuple):
    """Over items with several answers that stand: `pairs` of answers to one item, those that say the `same`, the same
    with each item weighing as its `answers` (`weighted`), and how often each class was given."""

    pairs: int
    same: int
    weighted: float
    answers: int
    often: tuple[int, ...]


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


def oldest_waiting(tx: Tx) -> str | None:
    """When the round was opened that the first item in the queue belongs to; None where the queue is empty."""
    oldest = select(func.min(waiting.c.round)).scalar_subquery()
    found: str | None = tx.execute(select(rounds.c.at).where(rounds.c.round == oldest)).scalar()
    return found


def agreed(tx: Tx) -> Agreed:
    """Without skips, rulings and gold items."""
    shared = select(given.c.item).where(*_ANSWER).group_by(given.c.item).having(func.count() > 1)
    votes = (
        select(given.c.item, given.c.label, func.count(given.c.annotator.distinct()).label("n"))
        .where(given.c.item.in_(shared), given.c.label.is_not(None), ~_RULING, ~_GOLD, *_ANSWER[:1], *queue.stands())
        .group_by(given.c.item, given.c.label)
        .cte("votes")
    )
    n = func.sum(votes.c.n)
    items = (
        select(votes.c.item, n.label("n"), func.sum(votes.c.n * (votes.c.n - 1)).label("same"))
        .group_by(votes.c.item)
        .having(n > 1)
        .cte("items")
    )
    total = select(
        func.sum(items.c.n * (items.c.n - 1)),
        func.sum(items.c.same),
        func.sum(items.c.same * 1.0 / (items.c.n - 1)),
        func.sum(items.c.n),
    )
    pairs, same, weighted, answers = tx.execute(total).one()
    by_class = select(func.sum(votes.c.n)).join(items, items.c.item == votes.c.item).group_by(votes.c.label)
    often = tuple(int(n) for n in tx.execute(by_class).scalars())
    return Agreed(int(pairs or 0), int(same or 0), float(weighted or 0.0), int(answers or 0), often)
