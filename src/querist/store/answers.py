"""What people answered, as little of each answer as a report needs: a project may hold hundreds of thousands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from querist.store import queue
from querist.store.ledger import Tx
from querist.store.tables import annotations as given
from querist.store.tables import queries

SKIP = -1


@dataclass(frozen=True)
class Answers:
    """Standing answers to items that a round asked, each (n,): `who` and `what` are numbers in `annotators` and
    `labels`, SKIP where there is no label; `seconds` are NaN where no time was measured; `at` is an ISO time."""

    annotators: Sequence[str]
    labels: Sequence[str]
    round: NDArray[np.int64]
    who: NDArray[np.int64]
    what: NDArray[np.int64]
    seconds: NDArray[np.float64]
    at: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.round)

    def __getitem__(self, which: Any) -> Answers:  # Any: whatever numpy takes as an index
        parts = (self.round, self.who, self.what, self.seconds, self.at)
        return Answers(self.annotators, self.labels, *(part[which] for part in parts))

    def by(self, numbers: NDArray[np.int64]) -> dict[int, Answers]:
        """Those of each of the `numbers` (n,), by it."""
        order = np.argsort(numbers, kind="stable")
        found, first = np.unique(numbers[order], return_index=True)
        parts = zip(found.tolist(), np.split(order, first[1:]), strict=True) if len(found) else ()
        return {number: self[rows] for number, rows in parts}


def list_answers(tx: Tx) -> Answers:
    """In the order they arrived, without the rulings of leads."""
    columns = [queries.c.round, *(given.c[name] for name in ("annotator", "label", "seconds", "at"))]
    asked = select(*columns).join_from(given, queries, queries.c.item == given.c.item)
    ruling = given.c.details.contains('"adjudicated": true')
    rows = tx.execute(asked.where(*queue.stands(), ~ruling).order_by(given.c.seq)).all()
    round, who, what, seconds, at = zip(*rows, strict=True) if rows else ((),) * 5
    annotators, labels = dict.fromkeys(who), dict.fromkeys(label for label in what if label is not None)
    return Answers(
        annotators=list(annotators),
        labels=list(labels),
        round=np.array(round, dtype=np.int64),
        who=_numbers(who, list(annotators)),
        what=_numbers(what, list(labels)),
        seconds=np.array(seconds, dtype=np.float64),
        at=np.array(at, dtype=np.object_),
    )


def _numbers(values: Sequence[str | None], names: Sequence[str]) -> NDArray[np.int64]:
    number: dict[str | None, int] = {name: at for at, name in enumerate(names)}
    return np.array([number.get(value, SKIP) for value in values], dtype=np.int64)
