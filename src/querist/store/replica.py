"""A second ledger with what the first one held at some moment, so that what was done then can be done again."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Table, func, insert, literal, select

from querist.store import tables
from querist.store.ledger import Tx

AT_ONCE = 1_000
TRIGGERS = ("trigger", "drift_round")
"""Analyses that decide how a round is trained."""


@dataclass(frozen=True)
class Moment:
    """The steps `done` of a round were over, and no later annotation than number `annotations` had arrived."""

    round: int
    done: Collection[str]
    annotations: int


def newest_annotation(tx: Tx) -> int:
    """The number of the annotation that arrived last, 0 before the first."""
    return int(tx.execute(select(func.max(tables.annotations.c.seq))).scalar() or 0)


def copy(tx: Tx, to: Tx, moment: Moment) -> None:
    """Fills the empty ledger `to`. What people saw of the items that earlier rounds asked is left out, for its size."""
    steps, rounds, queries, metrics = tables.steps, tables.rounds, tables.queries, tables.metrics
    this = (steps.c.round == moment.round) & steps.c.name.in_(list(moment.done))
    done = tx.execute(select(steps).where((steps.c.round < moment.round) | this)).mappings().all()
    results = [(row["round"], json.loads(row["result"])) for row in done]
    opened = any(number == moment.round and "n_queries" in result for number, result in results)
    versions = {result.get("version") for _, result in results}
    unseen = [literal("{}").label(c.name) if c.name == "payload" else c for c in queries.columns]
    _fill(to, tables.snapshots, tx.execute(select(tables.snapshots)).mappings())
    _fill(to, rounds, tx.execute(select(rounds).where(rounds.c.round < moment.round + opened)).mappings())
    _fill(to, queries, tx.execute(select(*unseen).where(queries.c.round < moment.round)).mappings())
    if opened:
        _fill(to, queries, tx.execute(select(queries).where(queries.c.round == moment.round)).mappings())
    models = tx.execute(select(tables.models).order_by(tables.models.c.seq)).mappings()
    _fill(to, tables.models, (row for row in models if row["version"] in versions))
    _fill(to, metrics, tx.execute(select(metrics).where(metrics.c.round < moment.round)).mappings())
    _fill(to, steps, done)
    beside = tables.analyses
    asked = (beside.c.round == moment.round) & beside.c.kind.in_(TRIGGERS)
    columns = [c for c in beside.columns if c.name != "seq"]
    _fill(to, beside, tx.execute(select(*columns).where(asked).order_by(beside.c.seq)).mappings())
    copy_annotations(tx, to, 0, moment.annotations)


def copy_annotations(tx: Tx, to: Tx, after: int, until: int) -> None:
    """Adds those that arrived later than number `after` and not later than `until`, but for those that are there."""
    table = tables.annotations
    known = set(to.execute(select(table.c.id)).scalars())
    columns = [c for c in table.columns if c.name != "seq"]
    rows = tx.execute(select(*columns).where(table.c.seq > after, table.c.seq <= until).order_by(table.c.seq))
    _fill(to, table, (row for row in rows.mappings() if row["id"] not in known))


def _fill(to: Tx, table: Table, rows: Iterable[Any]) -> None:  # Any: rows by column
    left = iter(rows)
    while part := [dict(row) for row in islice(left, AT_ONCE)]:
        to.execute(insert(table), part)
