"""All that a report says, as one JSON document, computed from the record and from nothing else."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from querist import __version__
from querist.config.loop import ObjectiveSettings
from querist.pipeline.conditions import deciding
from querist.pipeline.deploy.deploying import served
from querist.pipeline.evaluation.diagnostics import diagnostics
from querist.pipeline.evaluation.quality import quality
from querist.pipeline.evaluation.savings import savings
from querist.pipeline.record import state_of, taken_in
from querist.pipeline.reporting import conclusions
from querist.pipeline.reporting.batches import batches, effort_of, labels, people
from querist.pipeline.reporting.boxes import boxes
from querist.pipeline.reporting.checklist import checklist
from querist.stages.evaluation.step import spending
from querist.store import queue
from querist.store.annotations import effort
from querist.store.answers import Answers, list_answers
from querist.store.ledger import iso
from querist.store.models import list_models, list_snapshot_reports

if TYPE_CHECKING:
    from querist.pipeline.project import Project

Since = date | Literal["monday"] | None
DAYS = 7


def findings(project: Project, *, since: Since = None, page: str | None = None) -> dict[str, Any]:
    """What the report shows; the renderers of stages/reporting turn it into pages and slides.

    `since` begins the section on what is new: a date, "monday" for the week so far, by default seven days ago. `page`
    names the page that is about to show them.
    """
    with _without_collecting():
        return _findings(project, since, page)


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Python's search for garbage takes a third of the time where hundreds of thousands of rows are read."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _findings(project: Project, since: Since, page: str | None) -> dict[str, Any]:
    now, objective = project.clock(), project.settings.objective
    with project.ledger.read() as tx:
        ingests, missing = list_snapshot_reports(tx), queue.waiting_by_round(tx)
        answers, asked = list_answers(tx), effort(tx)
        models, answering = list_models(tx), served(tx)
    rounds = batches(project, answers)
    spent = spending(asked, objective)
    state, reason = state_of(project, has_data=bool(ingests), missing=missing)
    evaluated = [row for row in rounds if row["value"] is not None]
    found: dict[str, Any] = {
        "project": project.settings.project.name,
        "generated_at": iso(now),
        "version": __version__,
        "metric": objective.metric,
        "objective": objective.model_dump(mode="json"),
        "status": {
            "state": state,
            "reason": reason,
            "snapshot": ingests[-1]["snapshot"] if ingests else None,
            "data": taken_in(ingests),
            "missing": sum(missing.values()),
            "answers": asked.labels,
            "spent": vars(spent),
            "first": evaluated[0] if evaluated else None,
            "last": evaluated[-1] if evaluated else None,
            "served": answering,
        },
        "plan": _plan(objective, spent, evaluated, now.date()),
        "rounds": rounds,
        "quality": quality(project),
        "savings": savings(project, asked),
        "diagnostics": diagnostics(project),
        "checklist": checklist(project, page=page),
        "people": people(project, answers),
        "labels": labels(answers),
        "models": [
            {
                "version": m.version,
                "round": m.round,
                "n_labels": m.n_labels,
                "validation_loss": m.validation_loss,
                "learner": ", ".join(m.learner[part] for part in ("encoder", "head") if m.learner.get(part)),
                "artifact": m.artifact,
                "at": m.at,
            }
            for m in models
        ],
        "settings": deciding(project.settings),
        "settings_key": project.settings_key,
    }
    found["stages"] = boxes(project.settings, found)
    found["news"] = _news(found, answers, _begin(since, now), iso(now))
    found["headline"] = conclusions.headline(found)
    found["risks"] = conclusions.risks(found)
    found["next_step"] = conclusions.next_step(found)
    return found


def _begin(since: Since, now: datetime) -> str:
    day = now.date() - timedelta(days=DAYS if since is None else now.weekday())
    return (since if isinstance(since, date) else day).isoformat()


def _plan(
    objective: ObjectiveSettings, spent: Any, evaluated: Sequence[Mapping[str, Any]], today: date
) -> list[dict[str, Any]]:
    """{"what", "now", "of", "share"}: what was reached and spent of what was planned; None where no end is set."""
    value = evaluated[-1]["value"] if evaluated else None
    rows: list[dict[str, Any]] = [{"what": "quality", "now": value, "of": objective.goal, "share": None}]
    for what in ("labels", "money", "hours"):
        amount, budget = getattr(spent, what), getattr(objective, f"budget_{what}")
        if what == "labels" or budget is not None or amount:
            rows.append({"what": what, "now": amount, "of": budget, "share": amount / budget if budget else None})
    if objective.deadline is not None:
        left = (objective.deadline - today).days
        rows.append({"what": "deadline", "now": left, "of": objective.deadline.isoformat(), "share": None})
    return rows


def _news(found: Mapping[str, Any], answers: Answers, begin: str, until: str) -> dict[str, Any]:
    """What happened from `begin` on."""
    rounds = found["rounds"]
    new = [row for row in rounds if row["at"] >= begin]
    before = [row for row in rounds if row["at"] < begin and row["value"] is not None]
    given = effort_of(answers[answers.at >= begin])
    return {
        "since": begin,
        "until": until,
        "rounds": [row["round"] for row in new],
        **{part: given[part] for part in ("answers", "skips", "people", "hours")},
        "models": [m["version"] for m in found["models"] if m["at"] >= begin],
        "before": before[-1] if before else None,
        "now": next((row for row in reversed(new) if row["value"] is not None), None),
        "notes": [{"round": row["round"], "note": row["note"]} for row in new if row["note"]],
        "changes": [{"round": row["round"], "change": c} for row in new for c in row["learner_changes"]],
    }
