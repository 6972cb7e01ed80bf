"""Rounds and their queries."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import bindparam, func, insert, select

from querist.core.errors import HoldoutError, NoSuchRound
from querist.store import queue
from querist.store.ledger import Tx, iso
from querist.store.positions import positions
from querist.store.tables import annotations as given
from querist.store.tables import queries, rounds

AT_ONCE = 500
_THESE = select(queries).where(queries.c.item.in_(bindparam("items", expanding=True)))  # built once, for each answer


class Wanted(NamedTuple):
    """An item asked in a round, and how many people are to answer it."""

    item: str
    position: int
    split: str
    wanted: int


@dataclass(frozen=True)
class Round:
    round: int
    snapshot: str
    strategy: str
    model_version: str | None
    thresholds: Mapping[str, float]
    note: str
    settings: str
    code_version: str
    at: str


@dataclass(frozen=True)
class Query:
    """An item asked in a round: `rank` 0 first, `parts` the measures behind `score`, `payload` what a person sees,
    `wanted` how many people are to answer it."""

    round: int
    rank: int
    item: str
    position: int
    split: str
    score: float | None
    parts: Mapping[str, float]
    strategy: str
    model_version: str | None
    payload: Mapping[str, Any]
    wanted: int = 1
    at: str = ""


def open_round(tx: Tx, opened: Round, asked: Sequence[Query], *, now: datetime) -> None:
    """Writes a round and its queries, and queues them. Raises HoldoutError when one of them is not in the pool."""
    outside = [q for q in asked if q.split != "pool"]
    if outside:
        raise HoldoutError(f"item {outside[0].item!r} is in the {outside[0].split} split and can never be asked")
    at = iso(now)
    tx.execute(insert(rounds).values({**vars(opened), "thresholds": json.dumps(dict(opened.thresholds)), "at": at}))
    rows = [
        {**vars(q), "parts": json.dumps(dict(q.parts)), "payload": json.dumps(dict(q.payload)), "at": at} for q in asked
    ]
    if rows:
        tx.execute(insert(queries), rows)
        queue.put(tx, [{name: row[name] for name in ("item", "round", "rank", "wanted")} for row in rows])


def get_round(tx: Tx, number: int) -> Round:
    row = tx.execute(select(rounds).where(rounds.c.round == number)).mappings().first()
    if row is None:
        known = list(tx.execute(select(rounds.c.round).order_by(rounds.c.round)).scalars())
        raise NoSuchRound(f"there is no round {number}; recorded rounds: {known or 'none yet'}")
    return Round(**{**row, "thresholds": json.loads(row["thresholds"])})


def list_rounds(tx: Tx) -> list[Round]:
    rows = tx.execute(select(rounds).order_by(rounds.c.round)).mappings()
    return [Round(**{**row, "thresholds": json.loads(row["thresholds"])}) for row in rows]


def queries_since(tx: Tx, round: int, *, strategy: str | None = None) -> list[Query]:
    """Queries of this round and later ones, in the order asked; those of one strategy where it is named."""
    statement = select(queries).where(queries.c.round >= round).order_by(queries.c.round, queries.c.rank)
    if strategy is not None:
        statement = statement.where(queries.c.strategy == strategy)
    return [_query(row) for row in tx.execute(statement).mappings()]


def list_queries(tx: Tx, round: int | None = None, *, start: int = 0, limit: int | None = None) -> list[Query]:
    """Queries of one round, or of all, in the order asked; `limit` of them from the one with the number `start` on."""
    statement = select(queries).order_by(queries.c.round, queries.c.rank).offset(start).limit(limit)
    if round is not None:
        statement = statement.where(queries.c.round == round)
    return [_query(row) for row in tx.execute(statement).mappings()]


def get_queries(tx: Tx, items: Collection[str]) -> dict[str, Query]:
    """The queries of these items, by item; those that were never asked are left out."""
    wanted = sorted(items)
    parts = (wanted[start : start + AT_ONCE] for start in range(0, len(wanted), AT_ONCE))
    found = (tx.execute(_THESE, {"items": part}).mappings() for part in parts)
    return {row["item"]: _query(row) for part in found for row in part}


def list_wanted(tx: Tx, round: int) -> list[Wanted]:
    """What a round asks, in the order asked, without what people see of it."""
    statement = select(*[queries.c[name] for name in Wanted._fields]).where(queries.c.round == round)
    return [Wanted(*row) for row in tx.execute(statement.order_by(queries.c.rank)).all()]


def count_by_round(tx: Tx) -> dict[int, int]:
    """How many items each round asked; a round that asked none is left out."""
    counted = select(queries.c.round, func.count()).group_by(queries.c.round).order_by(queries.c.round)
    return {row[0]: row[1] for row in tx.execute(counted)}


def outstanding(tx: Tx) -> int:
    """Answers that rounds asked for and that are still to come; none to an item with a ruling. By the record alone."""
    of_item = given.c.item == queries.c.item, *queue.stands()
    answered = select(func.count(given.c.annotator.distinct())).where(*of_item).correlate(queries).scalar_subquery()
    ruling = given.c.details.contains('"adjudicated": true')
    ruled = select(given.c.id).where(ruling, *of_item).correlate(queries).exists()
    to_come = select(func.sum(queries.c.wanted - answered)).where(answered < queries.c.wanted, ~ruled)
    return int(tx.execute(to_come).scalar_one() or 0)


def newest_round(tx: Tx) -> int | None:
    newest: int | None = tx.execute(select(func.max(rounds.c.round))).scalar_one()
    return newest


def count_queries(tx: Tx, round: int) -> int:
    return int(tx.execute(select(func.count()).where(queries.c.round == round)).scalar_one())


def _query(row: Any) -> Query:  # Any: a row of queries, by column
    return Query(**{**row, "parts": json.loads(row["parts"]), "payload": json.loads(row["payload"])})


def taken_positions(tx: Tx) -> NDArray[np.int64]:
    """(n,) positions of pool items that were asked, and of those that somebody labeled or skipped unasked."""
    unasked = given.c.split == "pool", given.c.item.not_in(select(queries.c.item))
    return np.concatenate([positions(tx, queries.c.position), positions(tx, given.c.position, *unasked)])
