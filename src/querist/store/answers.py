"""What people answered, as little of each answer as a report needs: a project may hold hundreds of thousands."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select

from querist.store import queue
from querist.store.ledger import Tx
from querist.store.tables import annotations as given
from querist.store.tables import queries


class Answer(NamedTuple):
    """A standing answer to an item that a round asked; `label` None is a skip."""

    round: int
    annotator: str
    label: str | None
    seconds: float | None
    at: str


def list_answers(tx: Tx) -> list[Answer]:
    """In the order they arrived, without the rulings of leads."""
    columns = select(queries.c.round, *[given.c[name] for name in Answer._fields[1:]])
    asked = columns.join_from(given, queries, queries.c.item == given.c.item)
    ruling = given.c.details.contains('"adjudicated": true')
    return list(map(Answer._make, tx.execute(asked.where(*queue.stands(), ~ruling).order_by(given.c.seq)).all()))
