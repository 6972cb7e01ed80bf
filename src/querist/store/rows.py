"""Figures over the whole record, which may be long: only what they need of each row, or counts."""

from __future__ import annotations

from collections.abc import Collection
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, or_, select

from querist.store import queue
from querist.store.ledger import Tx
from querist.store.positions import positions
from querist.store.tables import annotations as given
from querist.store.tables import metrics, queries

# Within a text the quotes would be escaped.
_RULING, _GOLD = given.c.details.like('%"adjudicated": true%'), given.c.details.like('%"gold": true%')
_CHOSEN = queries.c.round > 0, queries.c.strategy.not_in(["control", "gold"])

AT_RANDOM = ("control", "seed_set:random", "random")
"""Strategies of queries that were drawn at random."""


class Given(NamedTuple):
    """How many `people` gave an item a label, by answers that stand; the item's place and split."""

    item: str
    label: str
    people: int
    position: int
    split: str


class Value(NamedTuple):
    round: int
    name: str
    value: float
    n_items: int


def chosen_queries(tx: Tx) -> NDArray[np.int64]:
    """(n, 2) round and position of what the strategies chose, in the order asked: no seed set, control arm or gold."""
    statement = select(queries.c.round, queries.c.position).order_by(queries.c.round, queries.c.rank)
    chosen = statement.where(*_CHOSEN)
    return np.fromiter(chain.from_iterable(tx.execute(chosen).all()), dtype=np.int64).reshape(-1, 2)


def chosen_positions(tx: Tx) -> NDArray[np.int64]:
    """(n,) positions of what the strategies chose, as in `chosen_queries`, in no order."""
    return positions(tx, queries.c.position, *_CHOSEN)


def control_queries(tx: Tx) -> NDArray[np.int64]:
    """(n,) positions of what was drawn at random to check the model."""
    return positions(tx, queries.c.position, queries.c.strategy == "control")


def random_queries(tx: Tx) -> NDArray[np.int64]:
    """(n,) positions of all that was drawn at random: control arm, seed set, or every batch."""
    return positions(tx, queries.c.position, queries.c.strategy.in_(AT_RANDOM))


def given_labels(tx: Tx) -> list[Given]:
    """Of pool items that were answered more than once, and of all others; without rulings and gold items."""
    people = func.count(given.c.annotator.distinct())
    item = given.c.item, given.c.position, given.c.split
    several = select(given.c.item).group_by(given.c.item).having(func.count() > 1)
    votes = select(item[0], given.c.label, people, *item[1:]).where(given.c.label.is_not(None), ~_RULING, ~_GOLD)
    votes = votes.where(or_(given.c.split != "pool", given.c.item.in_(several)), *queue.stands())
    found = tx.execute(votes.group_by(*item, given.c.label)).all()
    return [Given(*row) for row in found]


def ruled_positions(tx: Tx) -> list[int]:
    """Of the items that a lead has decided."""
    return list(tx.execute(select(given.c.position).where(_RULING, *queue.stands())).scalars().all())


def metric_rows(tx: Tx, names: Collection[str]) -> list[Value]:
    """The metrics of these names, by round."""
    statement = select(*[metrics.c[name] for name in Value._fields]).where(metrics.c.name.in_(list(names)))
    return [Value(*row) for row in tx.execute(statement.order_by(metrics.c.round, metrics.c.name)).all()]
