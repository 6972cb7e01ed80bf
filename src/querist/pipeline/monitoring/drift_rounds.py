"""Rounds that drift has opened: asked by the strategy `drift`, one open at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from querist.asking import items_left
from querist.config.loop import QuerySettings
from querist.core.selection import stream
from querist.store.analyses import add_analysis, list_analyses
from querist.store.annotations import effort
from querist.store.ledger import Tx
from querist.store.rounds import newest_round
from querist.store.steps import find_step

if TYPE_CHECKING:
    from querist.pipeline.project import Project

KIND = "drift_round"
STRATEGY = "drift"


@dataclass(frozen=True)
class DriftRound:
    """A round asked by `drift`: the first position of the items that came with it (None: the whole pool), and the
    positions of those that `measure` the model, drawn at random among them."""

    round: int
    since: int | None
    measure: Sequence[int]
    why: str


def planned(tx: Tx, round: int) -> DriftRound | None:
    found = list_analyses(tx, KIND, round=round, last=1)
    return DriftRound(**found[0].result) if found else None


def newest_drift_round(tx: Tx, *, until: int | None = None) -> DriftRound | None:
    found = [a for a in list_analyses(tx, KIND) if until is None or a.result["round"] <= until]
    return DriftRound(**found[-1].result) if found else None


def open_now(tx: Tx) -> DriftRound | None:
    """The drift round that is not evaluated yet."""
    newest = newest_drift_round(tx)
    return None if newest is None or find_step(tx, newest.round, "evaluation") else newest


def query_of(tx: Tx, round: int, query: QuerySettings) -> QuerySettings:
    """How a round is asked: as the settings say, or by drift."""
    drifted = planned(tx, round)
    if drifted is None:
        return query
    params = {"since": drifted.since, "measure": list(drifted.measure)}
    return query.model_copy(update={"strategy": STRATEGY, "params": params})


def open_drift_round(project: Project, why: str, *, since: int | None = None) -> dict[str, Any]:
    """Plans the next round as a drift round and puts it on record: {"round", "opened", "reason"}.

    Idempotent: while one is open it says which, and opens none. None is opened either when no budget is left, or before
    the first round. `since` is the position of the first item that came with the drift; the next `run` asks.
    """
    with project.ledger.read() as tx:
        already, newest, spent = open_now(tx), newest_round(tx), effort(tx)
    if already is not None:
        return {"round": already.round, "opened": False, "reason": f"drift round {already.round} is open already"}
    if newest is None:
        return {"round": None, "opened": False, "reason": "the seed set has not been asked yet; run `querist run`"}
    left = items_left(spent, project.settings)
    if left == 0:
        return {"round": None, "opened": False, "reason": "no budget is left; raise objective.budget_* to ask more"}
    number = newest + 1
    batch = project.settings.query.batch_size if left is None else min(project.settings.query.batch_size, left)
    drifted = DriftRound(number, since, _measured(project, number, since, batch), why)
    with project.ledger.begin() as tx:
        # Somebody else may have opened one, or the next round, since the look above.
        if open_now(tx) is None and newest_round(tx) == newest:
            add_analysis(tx, KIND, asdict(drifted), round=number, now=project.clock())
            return {"round": number, "opened": True, "reason": why}
    return open_drift_round(project, why, since=since)


def _measured(project: Project, number: int, since: int | None, batch: int) -> list[int]:
    """Positions of the pool's new items that are asked in any case."""
    if since is None:
        return []
    from querist.snapshots.snapshot import POOL

    snapshot = project.snapshot
    new = np.flatnonzero(snapshot.primary() & (snapshot.splits() == POOL))
    new = new[new >= since]
    rng = stream(project.settings.project.seed, number, KIND)
    share = project.settings.monitoring.random_share
    drawn = rng.choice(new, min(round(share * batch), len(new)), replace=False)
    return [int(position) for position in np.sort(drawn)]
