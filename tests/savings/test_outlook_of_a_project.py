"""Forecasts of a project, and the advice to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from querist.config import Settings
from querist.config.loop import ObjectiveSettings
from querist.pipeline.evaluation.outlook import outlook
from querist.pipeline.project import Project
from querist.stages.reporting.verdicts import to_goal
from querist.store.models import Metric, list_metrics


def test_the_goal_of_a_forecast_is_the_goal_with_its_bound(project: Project) -> None:
    """A curve that comes to 0.8 with 1,000 labels has a measured bound there 0.05 lower."""
    path = project.folder / "querist.toml"
    path.write_text(path.read_text().replace('metric = "accuracy"', 'metric = "accuracy"\ngoal = 0.8'))
    settings = Project(project.folder).settings
    with project.ledger.read() as tx:
        last = list_metrics(tx, name="accuracy")[-1]
    values = {n: 0.95 - 0.15 * (n / 1000) ** -0.5 for n in range(100, 600, 100)}
    rounds = [replace(last, value=v, low=v - 0.05, high=v + 0.05, n_labels=n) for n, v in values.items()]
    found = outlook(rounds, None, 10_000, settings)
    assert found is not None
    assert found["labels_to_goal"]["value"] == pytest.approx(2250 - 500, rel=0.05), "where the curve is at 0.85"


def test_a_forecast_comes_with_its_test_on_earlier_rounds(project: Project) -> None:
    found = project.savings()["forecast"]
    assert found["at_labels"] == 160
    assert found["low"] <= found["value"] <= found["high"] <= 1
    assert {"at_labels", "forecast", "low", "high", "measured"} == set(found["backtest"][0])
    assert "to be expected with 160 labels, twice as many as now" in found["sentence"]
    assert "earlier forecasts, for up to 1.6 times the labels, were off by 0." in found["sentence"]


def test_a_goal_that_only_the_best_case_reaches_is_said_to_be_that() -> None:
    needed = {"value": None, "low": 1200.0, "high": None}
    assert "the fitted curve does not come to the goal 0.9 with its bound; at best about 1,200 more" in to_goal(
        0.9, needed
    )
    assert "with its bound is not within reach" in to_goal(0.9, {"value": None, "low": None, "high": None})


def test_a_forecast_says_nothing_beyond_what_the_metric_can_be() -> None:
    rounds = [
        Metric(at, "macro_f1", "m", value, value - 0.1, value + 0.1, 77, 30 * (at + 1))
        for at, value in enumerate((0.607, 0.692, 0.794, 0.953))
    ]
    found = outlook(rounds, 80, 600, Settings(objective=ObjectiveSettings(metric="macro_f1")))
    assert found is not None
    assert 0.0 <= found["low"] < found["value"] <= found["high"] <= 1.0


def test_a_loss_is_told_the_right_way_up(start: Callable[..., Project]) -> None:
    project = start(evaluation='metrics = ["accuracy"]')
    path = project.folder / "querist.toml"
    path.write_text(path.read_text().replace('metric = "accuracy"', 'metric = "log_loss"\ngoal = 0.0001'))
    project = Project(project.folder, clock=project.clock)
    project.run(rounds=6, oracle="label")
    found = project.savings()
    forecast, labels = found["forecast"], found["forecast"]["labels_to_goal"]
    assert 0 <= forecast["low"] <= forecast["value"] <= forecast["high"]
    assert labels["value"] is None or labels["value"] >= 0
    assert "log loss" in found["verdict"]["sentence"]


def test_advice_is_given_and_acted_on_only_where_the_settings_name_it(project: Project) -> None:
    rows = {row["which"]: row for row in project.savings()["stopping"]}
    assert set(rows) == {"goal", "budget", "flat", "stable", "uninformative"}
    assert not any(rows[name]["acts"] for name in ("goal", "budget", "flat", "stable", "uninformative"))
    assert "models in a row agree" in rows["stable"]["reason"]


@pytest.mark.parametrize("name", ["flat", "stable", "uninformative"])
def test_the_loop_ends_on_the_advice_that_is_named(
    start: Callable[..., Project], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from querist.stages.evaluation import advice as rules

    project = start(objective=f'stop_on = ["{name}"]')
    monkeypatch.setattr(rules, "SAME", -1.0)
    monkeypatch.setattr(rules, "SURE", 0.0)
    monkeypatch.setattr(
        "querist.pipeline.evaluation.advice.flat", lambda *_, **__: rules.Advice("flat", True, "as planted")
    )
    outcome = project.run(rounds=6, oracle="label")
    assert outcome.status == "stopped"
    assert outcome.reason.startswith(f"advice acted on ({name})")
    assert next(row for row in project.savings()["stopping"] if row["which"] == name)["acts"]
