"""Alerts that came back from Alertmanager, and the drift round that one of them opens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from querist.pipeline.metrics.alerts import REACTIVATE
from querist.pipeline.monitoring.check import open_drift_round
from querist.store.analyses import add_analysis, list_analyses

if TYPE_CHECKING:
    from querist.pipeline.project import Project

KIND = "alertmanager"


@dataclass(frozen=True)
class Fired:
    """An alert of one label set; `key` is the same as long as it fires, however often it is sent."""

    name: str
    project: str
    action: str
    firing: bool
    key: str


def receive_alerts(project: Project, alerts: Sequence[Fired]) -> dict[str, Any]:
    """Opens a drift round for the alerts that fire and ask for it: {"taken": alerts, "round", "opened", "reason"}.

    Idempotent: while an alert fires it opens one round, and all of them together open no second one beside it.
    Raises Busy where the project is at work; the sender tries again.
    """
    own = project.settings.project.name
    wanted = [a for a in alerts if a.firing and a.action == REACTIVATE and a.project == own]
    if not wanted:
        return {"taken": 0, "round": None, "opened": False, "reason": "no alert asks this project for a round"}
    with project.ledger.read() as tx:
        known = {a.result["key"]: a.result["round"] for a in list_analyses(tx, KIND)}
    if seen := [known[a.key] for a in wanted if a.key in known]:
        found = {"round": max(seen), "opened": False, "reason": "the alert has opened its round before"}
    else:
        found = open_drift_round(project, f"Alertmanager: {', '.join(sorted({a.name for a in wanted}))}")
    if found["round"] is not None:
        new = {a.key for a in wanted} - known.keys()
        with project.ledger.begin() as tx:
            for key in sorted(new):
                add_analysis(tx, KIND, {"key": key, "round": found["round"]}, round=found["round"], now=project.clock())
    return {"taken": len(wanted), **{name: found[name] for name in ("round", "opened", "reason")}}
