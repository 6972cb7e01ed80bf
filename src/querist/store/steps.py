"""Which steps of which round are done, with what result and in what time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from querist.core.errors import Busy
from querist.store.ledger import Tx
from querist.store.tables import steps


@dataclass(frozen=True)
class Done:
    """A finished step: `inputs` is the hash of what it read, `seconds_by_part` the share of fit, predict and so on."""

    round: int
    name: str
    version: int
    inputs: str
    result: Mapping[str, Any]
    started_at: str
    seconds: float
    seconds_by_part: Mapping[str, float]
    code_version: str


def find_step(tx: Tx, round: int, name: str) -> Done | None:
    row = tx.execute(select(steps).where(steps.c.round == round, steps.c.name == name)).mappings().first()
    return _done(row) if row else None


def add_step(tx: Tx, done: Done) -> None:
    """Marks a step done. Raises Busy when another process has done it meanwhile."""
    parts = json.dumps(dict(done.seconds_by_part))
    row = {**vars(done), "result": json.dumps(dict(done.result)), "seconds_by_part": parts}
    try:
        tx.execute(insert(steps).values(row))
    except IntegrityError as error:
        raise Busy(f"another process has just finished {done.name} of round {done.round}; run again") from error


def last_round(tx: Tx, name: str) -> int | None:
    """The newest round in which the step is done."""
    newest: int | None = tx.execute(select(func.max(steps.c.round)).where(steps.c.name == name)).scalar_one()
    return newest


def list_steps(tx: Tx, round: int | None = None) -> list[Done]:
    """In the order they ran."""
    statement = select(steps).order_by(steps.c.round, steps.c.started_at)
    if round is not None:
        statement = statement.where(steps.c.round == round)
    return [_done(row) for row in tx.execute(statement).mappings()]


def _done(row: Mapping[Any, Any]) -> Done:
    return Done(**{**row, "result": json.loads(row["result"]), "seconds_by_part": json.loads(row["seconds_by_part"])})
