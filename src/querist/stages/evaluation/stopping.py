"""When the loop is done: the goal is met with its confidence bound, or something has run out, or advice is acted on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from querist.config.loop import ObjectiveSettings
from querist.stages.evaluation.metrics import higher_is_better


@dataclass(frozen=True)
class Spent:
    """What labeling took so far: labels asked, money in the objective's currency, hours of people's time."""

    labels: int
    money: float
    hours: float


@dataclass(frozen=True)
class Stop:
    reason: str
    which: Literal[
        "goal",
        "budget_labels",
        "budget_money",
        "budget_hours",
        "deadline",
        "pool",
        "flat",
        "stable",
        "uninformative",
    ]


def decide(
    objective: ObjectiveSettings,
    *,
    value_low: float | None,
    value: float | None,
    value_high: float | None,
    spent: Spent,
    pool_left: int,
    today: date,
) -> Stop | None:
    """Why the loop should stop now, or None. The goal comes first, then budgets, deadline and pool."""
    worst = value_low if higher_is_better(objective.metric) else value_high
    met = goal_met(objective, value, worst)
    if met is not None or (met := budget_spent(objective, spent)) is not None:
        return met
    if objective.deadline is not None and today > objective.deadline:
        return Stop(f"deadline passed: {objective.deadline} was the last day of labeling", "deadline")
    if pool_left == 0:
        return Stop("no item is left to ask in the pool", "pool")
    return None


def goal_met(objective: ObjectiveSettings, value: float | None, worst: float | None) -> Stop | None:
    """The goal is met when the worse end of the interval meets it: the lower one, or the upper one of log_loss."""
    goal, metric = objective.goal, objective.metric
    if goal is None or value is None or worst is None:
        return None
    if not (worst >= goal if higher_is_better(metric) else worst <= goal):
        return None
    bound = "lower" if higher_is_better(metric) else "upper"
    return Stop(f"goal met: {metric} {value:.4f}, {bound} bound {worst:.4f}, goal {goal:g}", "goal")


def budget_spent(objective: ObjectiveSettings, spent: Spent) -> Stop | None:
    """A money or time budget is spent when one more label would exceed it."""
    if objective.budget_labels is not None and spent.labels >= objective.budget_labels:
        return Stop(f"label budget spent: {spent.labels} of {objective.budget_labels} labels", "budget_labels")
    money, price = objective.budget_money, objective.cost_per_label or 0.0
    if money is not None and _exceeds(spent.money + price, money):
        said = f"{spent.money:.2f} of {money:.2f} {objective.currency}, one label costs {price:.2f}"
        return Stop(f"money budget spent: {said}", "budget_money")
    hours, each = objective.budget_hours, (objective.seconds_per_label or 0.0) / 3600
    if hours is not None and (spent.hours >= hours or _exceeds(spent.hours + each, hours)):
        return Stop(f"time budget spent: {spent.hours:.2f} of {hours:.2f} hours", "budget_hours")
    return None


def _exceeds(amount: float, budget: float) -> bool:
    """Sums of prices carry rounding errors, which must not eat a label."""
    return amount > budget * (1 + 1e-9)
