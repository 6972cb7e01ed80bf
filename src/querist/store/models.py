"""Model versions, their metrics, and the snapshots they rest on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from querist.store.ledger import Tx, iso
from querist.store.tables import metrics, models, snapshots


@dataclass(frozen=True)
class Model:
    version: str
    round: int
    artifact: str
    parent: str | None
    learner: Mapping[str, Any]
    report: Mapping[str, Any]
    n_labels: int
    validation_loss: float | None
    at: str = ""


@dataclass(frozen=True)
class Metric:
    round: int
    name: str
    model_version: str
    value: float
    low: float | None
    high: float | None
    n_items: int
    n_labels: int
    at: str = ""


def add_model(tx: Tx, model: Model, *, now: datetime) -> None:
    row = {**vars(model), "learner": json.dumps(dict(model.learner)), "report": json.dumps(dict(model.report))}
    tx.execute(insert(models).values({**row, "at": iso(now)}))


def list_models(tx: Tx) -> list[Model]:
    """Oldest first."""
    rows = tx.execute(select(*[c for c in models.columns if c.name != "seq"]).order_by(models.c.seq)).mappings()
    return [Model(**{**r, "learner": json.loads(r["learner"]), "report": json.loads(r["report"])}) for r in rows]


def add_metrics(tx: Tx, added: Sequence[Metric], *, now: datetime) -> None:
    if added:
        tx.execute(insert(metrics), [{**vars(m), "at": iso(now)} for m in added])


def list_metrics(tx: Tx, round: int | None = None, *, name: str | None = None) -> list[Metric]:
    """By round and name; those of one round, or one metric over all rounds, where named."""
    statement = select(*[metrics.c[part.name] for part in fields(Metric)]).order_by(metrics.c.round, metrics.c.name)
    if round is not None:
        statement = statement.where(metrics.c.round == round)
    if name is not None:
        statement = statement.where(metrics.c.name == name)
    return [Metric(*row) for row in tx.execute(statement).all()]


def add_snapshot(tx: Tx, id: str, report: Mapping[str, Any], *, now: datetime) -> None:
    tx.execute(insert(snapshots).values(id=id, report=json.dumps(dict(report)), at=iso(now)))


def current_snapshot(tx: Tx) -> str | None:
    return tx.execute(select(snapshots.c.id).order_by(snapshots.c.seq.desc()).limit(1)).scalar()


def list_snapshot_reports(tx: Tx) -> list[dict[str, Any]]:
    rows = tx.execute(select(snapshots).order_by(snapshots.c.seq)).mappings()
    return [{"snapshot": r["id"], "at": r["at"], **json.loads(r["report"])} for r in rows]
