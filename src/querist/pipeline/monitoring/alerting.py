"""Alerts that came back from Alertmanager, and the drift round that one of them opens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from querist.pipeline.metrics.alerts import DRIFT, REACTIVATE
from querist.pipeline.monitoring.check import open_drift_round
from querist.pipeline.monitoring.drift_status import ALERT
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

    Idempotent: while an alert fires it opens one round, and while a drift round is open none opens another. That of a
    drift alarm which fires anew, as Prometheus had lost sight of the server, opens none before the next alarm.
    Raises Busy where the project is at work; the sender tries again.
    """
    own = project.settings.project.name
    wanted = [a for a in alerts if a.firing and a.action == REACTIVATE and a.project == own]
    if not wanted:
        return {"taken": 0, "round": None, "opened": False, "reason": "no alert asks this project for a round"}
    with project.ledger.read() as tx:
        before, alarms = list_analyses(tx, KIND), list_analyses(tx, ALERT, last=1)
    known = {a.result["key"]: a.result["round"] for a in before}
    answered = {_alert_of(a.result["key"]): a.result["round"] for a in before if alarms and a.at >= alarms[0].at}
    known |= {a.key: answered[_alert_of(a.key)] for a in wanted if a.name == DRIFT and _alert_of(a.key) in answered}
    if new := {a.key: a.name for a in wanted if a.key not in known}:
        found = open_drift_round(project, f"Alertmanager: {', '.join(sorted(set(new.values())))}")
    else:
        newest = max(known[a.key] for a in wanted)
        found = {"round": newest, "opened": False, "reason": "the alert has opened its round before"}
    if found["round"] is not None:
        with project.ledger.begin() as tx:
            for key in sorted(new):
                add_analysis(tx, KIND, {"key": key, "round": found["round"]}, round=found["round"], now=project.clock())
    return {"taken": len(wanted), **{name: found[name] for name in ("round", "opened", "reason")}}


def _alert_of(key: str) -> str:
    """The alert, whenever it began to fire."""
    return key.partition(" ")[0]
