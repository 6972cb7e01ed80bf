"""What was found out about the loop beside it: simulations, baselines, evaluations in detail, verifications.

The loop decides nothing by them, so the digest leaves them out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any

from sqlalchemy import insert, select

from querist.store.ledger import Tx, iso
from querist.store.tables import analyses


@dataclass(frozen=True)
class Analysis:
    kind: str
    round: int | None
    result: Mapping[str, Any]
    code_version: str
    at: str


def add_analysis(tx: Tx, kind: str, result: Mapping[str, Any], *, round: int | None = None, now: datetime) -> None:
    row = {
        "kind": kind,
        "round": round,
        "result": json.dumps(dict(result)),
        "code_version": version("querist"),
        "at": iso(now),
    }
    tx.execute(insert(analyses).values(row))


def list_analyses(tx: Tx, kind: str, *, last: int | None = None, round: int | None = None) -> list[Analysis]:
    """Those of one kind, oldest first; `last` takes only so many of the newest, `round` those of one round."""
    statement = select(*[c for c in analyses.columns if c.name != "seq"]).where(analyses.c.kind == kind)
    if round is not None:
        statement = statement.where(analyses.c.round == round)
    rows = tx.execute(statement.order_by(analyses.c.seq.desc()).limit(last)).mappings()
    return [Analysis(**{**row, "result": json.loads(row["result"])}) for row in rows][::-1]
