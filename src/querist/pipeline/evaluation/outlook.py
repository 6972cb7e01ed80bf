"""What more labels would bring, and whether to stop: from the record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from querist.config import Settings
from querist.pipeline.evaluation.advice import advise
from querist.stages.evaluation.forecast import Forecast, forecast
from querist.stages.evaluation.metrics import bounds, higher_is_better
from querist.stages.evaluation.stopping import Spent, budget_spent, goal_met
from querist.stages.reporting import verdicts
from querist.store.models import Metric

if TYPE_CHECKING:
    from querist.pipeline.project import Project


def outlook(rounds: Sequence[Metric], left: int | None, pool_left: int, settings: Settings) -> dict[str, Any] | None:
    """The forecast for the end of the budget (`left` items more), or for twice the labels; None before four rounds."""
    if not rounds or pool_left == 0:
        return None
    metric, goal, sign, now = rounds[0].name, settings.objective.goal, sign_of(rounds[0].name), rounds[-1]
    more, when = (left, "the end of the budget") if left else (now.n_labels, "twice as many as now")
    if more > pool_left:
        more, when = pool_left, "all of the pool"
    labels, values, widths = zip(*((m.n_labels, sign * m.value, _width(m)) for m in rounds), strict=True)
    worst = now.low if sign > 0 else now.high
    reserve = 0.0 if worst is None else sign * (now.value - worst)
    found = forecast(
        labels,
        values,
        widths,
        at=now.n_labels + more,
        limit=best_value(metric),
        goal=None if goal is None else sign * goal + reserve,
        most=now.n_labels + pool_left,
        confidence=settings.evaluation.confidence,
    )
    return None if found is None else _told(found, metric, goal, now.n_labels, when)


def _told(found: Forecast, metric: str, goal: float | None, now: int, when: str) -> dict[str, Any]:
    sign = sign_of(metric)
    own = _upright(metric, found.value, found.low, found.high)
    needed = None
    if found.to_goal is not None:
        more = [None if labels is None else max(labels - now, 0.0) for labels in found.to_goal]
        needed = dict(zip(("value", "low", "high"), more, strict=True))
    tests = [
        {
            "at_labels": int(t.at_labels),
            **_upright(metric, t.forecast, t.low, t.high, first="forecast"),
            "measured": sign * t.measured,
        }
        for t in found.backtest
    ]
    error = float(np.mean([abs(t.forecast - t.measured) for t in found.backtest])) if tests else None
    said = "" if goal is None or needed is None else verdicts.to_goal(goal, needed)
    at, further = int(found.at_labels), max((t.at_labels / t.from_labels for t in found.backtest), default=0.0)
    return {
        "at_labels": at,
        **own,
        "labels_to_goal": needed,
        "backtest": tests,
        "sentence": verdicts.forecast(metric, own, at, when, said, error, further),
    }


def stopping(project: Project, newest: Metric | None, spent: Spent) -> list[dict[str, Any]]:
    """Goal, budget and each kind of advice: whether it says stop, whether the loop acts on it, and why."""
    objective = project.settings.objective
    value = newest.value if newest else None
    worst = None if newest is None else newest.low if higher_is_better(objective.metric) else newest.high
    met, out = goal_met(objective, value, worst), budget_spent(objective, spent)
    missed = "no goal is set" if objective.goal is None else f"the goal {objective.goal:g} is not met with its bound"
    rows = [
        ("goal", met is not None, objective.goal is not None, met.reason if met else missed),
        ("budget", out is not None, _has_budget(objective), out.reason if out else _unspent(project.settings, spent)),
        *((a.which, a.stop, a.which in objective.stop_on, a.reason) for a in advise(project)),
    ]
    return [dict(zip(("which", "stop", "acts", "reason"), row, strict=True)) for row in rows]


def _has_budget(objective: Any) -> bool:
    return any(x is not None for x in (objective.budget_labels, objective.budget_money, objective.budget_hours))


def _unspent(settings: Settings, spent: Spent) -> str:
    objective = settings.objective
    if not _has_budget(objective):
        return "no budget is set"
    limits: list[tuple[str, float, float | None]] = [
        ("labels", spent.labels, objective.budget_labels),
        (objective.currency, spent.money, objective.budget_money),
        ("hours", spent.hours, objective.budget_hours),
    ]
    return "spent: " + ", ".join(f"{done:,.0f} of {of:,.0f} {what}" for what, done, of in limits if of is not None)


def sign_of(metric: str) -> float:
    """-1 for a loss: times it, a metric is higher-is-better."""
    return 1.0 if higher_is_better(metric) else -1.0


def best_value(metric: str) -> float:
    """The best value of a metric, higher-is-better."""
    least, largest = bounds(metric)
    return largest if higher_is_better(metric) else -least


def _width(m: Metric) -> float:
    return float("nan") if m.low is None or m.high is None else m.high - m.low


def _upright(metric: str, value: float, low: float, high: float, *, first: str = "value") -> dict[str, float]:
    """As the metric is read: a loss with its sign turned back, and nothing beyond what it can be."""
    sign, (least, largest) = sign_of(metric), bounds(metric)
    read = {first: sign * value, "low": min(sign * low, sign * high), "high": max(sign * low, sign * high)}
    return {name: min(max(number, least), largest) for name, number in read.items()}
