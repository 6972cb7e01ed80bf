from __future__ import annotations

from datetime import date

import pytest

from querist.config.loop import ObjectiveSettings
from querist.stages.evaluation.stopping import Spent, decide

TODAY = date(2026, 3, 1)


def stop(*, low=0.8, value=0.85, high=0.9, labels=0, money=0.0, hours=0.0, pool_left=10, **objective):
    return decide(
        ObjectiveSettings(**objective),
        value_low=low,
        value=value,
        value_high=high,
        spent=Spent(labels, money, hours),
        pool_left=pool_left,
        today=TODAY,
    )


def test_nothing_stops_a_loop_without_goal_and_budget():
    assert stop() is None


def test_the_goal_is_met_only_with_the_lower_bound():
    assert stop(goal=0.84) is None
    met = stop(goal=0.8)
    assert met.which == "goal"
    assert met.reason == "goal met: macro_f1 0.8500, lower bound 0.8000, goal 0.8"


def test_the_goal_of_log_loss_is_met_only_with_the_upper_bound():
    assert stop(metric="log_loss", goal=0.86, low=0.8, value=0.85, high=0.9) is None
    assert stop(metric="log_loss", goal=0.9, low=0.8, value=0.85, high=0.9).which == "goal"


def test_without_a_holdout_no_goal_is_met():
    assert stop(goal=0.1, low=None, value=None, high=None) is None


def test_an_undefined_value_meets_no_goal():
    nan = float("nan")
    assert stop(goal=0.1, low=nan, value=nan, high=nan) is None


@pytest.mark.parametrize(
    ("spent", "objective", "which"),
    [
        ({"labels": 100}, {"budget_labels": 100}, "budget_labels"),
        ({"labels": 99}, {"budget_labels": 100}, None),
        ({"money": 9.9}, {"budget_money": 10.0, "cost_per_label": 0.1}, None),
        ({"money": 9.95}, {"budget_money": 10.0, "cost_per_label": 0.1}, "budget_money"),
        ({"hours": 1.0}, {"budget_hours": 1.0}, "budget_hours"),
        ({"hours": 0.999}, {"budget_hours": 1.0}, None),
        ({"hours": 0.999}, {"budget_hours": 1.0, "seconds_per_label": 36.0}, "budget_hours"),
        ({}, {"deadline": TODAY}, None),
        ({}, {"deadline": date(2026, 2, 28)}, "deadline"),
        ({"pool_left": 0}, {}, "pool"),
    ],
)
def test_what_runs_out_stops_the_loop_and_is_named(spent, objective, which):
    answer = stop(**spent, **objective)
    assert (answer and answer.which) == which


def test_rounding_of_prices_does_not_eat_the_last_label():
    assert stop(money=0.1 + 0.1, budget_money=0.3, cost_per_label=0.1) is None


def test_the_goal_comes_before_the_budget():
    assert stop(goal=0.5, labels=10, budget_labels=10).which == "goal"
