"""Where monitoring stands, by the record: the alarm, the newest checks, estimates beside what labels say."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from querist.config.monitoring import MonitoringSettings
from querist.core.label_sets import label_of
from querist.pipeline.monitoring import drift_rounds
from querist.stages.human_labeling.step import standing
from querist.stages.monitoring import quality
from querist.stages.monitoring.alarm import Alarm, Event, after
from querist.store.analyses import list_analyses
from querist.store.annotations import list_annotations
from querist.store.ledger import Tx
from querist.store.models import list_models
from querist.store.rounds import list_queries

if TYPE_CHECKING:
    from querist.pipeline.project import Project

CHECK, ALERT, GATE = "drift_check", "alert", "gate"
KINDS = {CHECK: 200, ALERT: None, GATE: None}
"""What moves the alarm, and how many of the newest; of checks more than any patience and cool-down asks for."""


def alarm_of(tx: Tx, version: str, settings: MonitoringSettings) -> Alarm:
    """Where the alarm of a model version stands, from the record.

    An alarm of an earlier version is over, and so is one after which a gate was passed.
    """
    state = Alarm()
    events = [a for kind, last in KINDS.items() for a in list_analyses(tx, kind, last=last)]
    for one in sorted(events, key=lambda a: a.at):
        own = one.result.get("model_version") == version
        event: Event | None = None
        if one.kind == CHECK and own:
            event = "over" if one.result["over"] else "fine"
        elif one.kind == ALERT:
            event = "opened" if own else "closed"
        elif one.kind == GATE and one.result.get("passed") and state.open:
            event = "closed"
        if event is not None:
            state, _ = after(state, event, patience=settings.patience, cool_down=settings.cool_down)
    return state


def monitoring_status(project: Project, *, last: int = 10) -> dict[str, Any]:
    """The newest checks and alerts, whether an alarm is open, the drift round, and estimates beside labels."""
    with project.ledger.read() as tx:
        checks, alerts = list_analyses(tx, CHECK, last=last), list_analyses(tx, ALERT)
        newest, opened = drift_rounds.newest_drift_round(tx), drift_rounds.open_now(tx)
        models = list_models(tx)
        alarm = alarm_of(tx, models[-1].version, project.settings.monitoring) if models else Alarm()
    return {
        "checks": [{"at": a.at, **a.result} for a in checks],
        "alerts": [{"at": a.at, **a.result} for a in alerts],
        "alarm_open": alarm.open,
        "round": None if newest is None else {**asdict(newest), "open": opened is not None},
        "estimates": estimates_checked(project),
    }


def estimates_checked(project: Project) -> list[dict[str, Any]]:
    """Each alert's estimated accuracy beside what labels of its round's random items say, where they have come."""
    found = []
    with project.ledger.read() as tx:
        alerts = list_analyses(tx, ALERT)
        rounds = [drift_rounds.DriftRound(**a.result) for a in list_analyses(tx, drift_rounds.KIND)]
        answers = {a.item: a.label for a in standing(list_annotations(tx)) if a.label is not None}
        asked = {r.round: list_queries(tx, r.round) for r in rounds}
    estimated = {a.result["since"]: a.result["estimate"]["accuracy"] for a in alerts}
    for drifted in rounds:
        kept = [q for q in asked[drifted.round] if q.position in drifted.measure and q.item in answers]
        said = [q.payload["prediction"] for q in kept if q.payload.get("prediction")]
        if drifted.since not in estimated or not said or len(said) < len(kept):
            continue
        sets = project.settings.data.sets
        right = [label_of(p, sets) == answers[q.item] for p, q in zip(said, kept, strict=True)]
        beside = quality.check(estimated[drifted.since], int(sum(right)), len(right))
        found.append({"round": drifted.round, **asdict(beside)})
    return found
