"""`savings`, `baseline` and `simulate` on a project: the record, the sentences, and what nobody can tell."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from querist.cli import cli
from querist.core.errors import DataError
from querist.pipeline.project import Project
from querist.pipeline.random_curves import learner_key
from querist.store.analyses import add_analysis, list_analyses
from querist.store.models import list_metrics


@pytest.fixture
def project(start: Callable[..., Project]) -> Project:
    made = start(objective="cost_per_label = 0.5\nseconds_per_label = 36")
    made.run(rounds=6, oracle="label")
    return made


def plant(project: Project, mean: Callable[[np.ndarray], np.ndarray], *, spread: float = 0.002) -> None:
    """Puts a simulation on record whose random arm has this mean curve."""
    labels = np.arange(10, 410, 10)
    off = np.array([-1.0, 0.0, 1.0])[:, None] * spread * np.where(np.arange(len(labels)) % 2, 1.0, -1.0)
    curves = mean(labels) + off
    runs = [
        {"strategy": "random", "repeat": r, "labels": labels.tolist(), "metrics": {"accuracy": curve.tolist()}}
        for r, curve in enumerate(curves)
    ]
    kept = {"runs": runs, "n_pool": 400, "n_test": 80, "learner": learner_key(project.settings)}
    with project.ledger.begin() as tx:
        add_analysis(tx, "simulation", {**kept, "snapshot": project.snapshot.id}, now=project.clock())


def reached(project: Project) -> tuple[float, int]:
    with project.ledger.read() as tx:
        last = list_metrics(tx, name="accuracy")[-1]
    return last.value, last.n_labels


def test_an_empty_project_has_a_page_of_unknowns(folder: Path) -> None:
    found = Project(folder).savings()
    assert found["verdict"]["kind"] == "unknown"
    assert "no round has been measured" in found["verdict"]["sentence"]
    assert (found["baseline"], found["forecast"], found["stopping"], found["control"]) == (None, None, [], None)
    json.dumps(found, allow_nan=False)


def test_without_a_baseline_the_sentence_says_what_to_run(project: Project) -> None:
    verdict = project.savings()["verdict"]
    assert verdict["kind"] == "unknown"
    assert "run `querist baseline`" in verdict["sentence"]


def test_planted_savings_are_said_with_labels_money_and_hours(project: Project) -> None:
    value, labels = reached(project)
    plant(project, lambda n: value + 0.001 * (n - 2 * labels))
    found = project.savings()
    verdict = found["verdict"]
    assert (found["baseline"]["source"], verdict["kind"], verdict["labels"]) == ("simulation", "saved", 80)
    assert verdict["random_labels"]["value"] == pytest.approx(160)
    assert verdict["share"]["value"] == pytest.approx(0.5)
    assert verdict["money"]["value"] == pytest.approx(40)
    assert verdict["hours"]["value"] == pytest.approx(0.8)
    low, high = verdict["random_labels"]["low"], verdict["random_labels"]["high"]
    assert verdict["sentence"].endswith(
        f"with 80 labels; random would have needed 160 ({low:.0f} to {high:.0f}): 50 % fewer labels, EUR 40 and "
        "48 minutes saved"
    )
    json.dumps(found, allow_nan=False)


def test_where_nothing_is_saved_the_first_words_say_so(project: Project) -> None:
    value, labels = reached(project)
    plant(project, lambda n: value + 0.001 * (n - labels))
    verdict = project.savings()["verdict"]
    assert verdict["kind"] == "no_difference"
    assert verdict["sentence"].startswith("active learning does not save labels here: ")
    assert "no difference beyond noise" in verdict["sentence"]
    assert verdict["money"] is None, "what is noise is not counted as money"


def test_where_labels_are_lost_the_sentence_says_how_many(project: Project) -> None:
    value, labels = reached(project)
    plant(project, lambda n: value + 0.001 * (n - labels / 2))
    verdict = project.savings()["verdict"]
    assert verdict["kind"] == "lost"
    assert verdict["sentence"].startswith("active learning does not save labels here: ")
    assert verdict["sentence"].endswith("so 100 % more were used")
    assert verdict["money"]["value"] == pytest.approx(-20)


def test_a_quality_that_random_never_reached_is_more_than_it_had(project: Project) -> None:
    value, _ = reached(project)
    plant(project, lambda n: value - 0.2 + 0.0001 * n)
    verdict = project.savings()["verdict"]
    assert (verdict["kind"], verdict["random_labels"]["value"]) == ("saved", None)
    assert "more than 400" in verdict["sentence"]
    assert "at least 80 % fewer labels" in verdict["sentence"]


def test_a_simulation_whose_metric_is_undefined_is_no_baseline(project: Project) -> None:
    plant(project, lambda n: np.full(len(n), np.nan))
    assert project.savings()["baseline"] is None


def test_a_simulation_with_another_learner_is_no_baseline(project: Project) -> None:
    plant(project, lambda n: n / 1000)
    path = project.folder / "querist.toml"
    path.write_text(path.read_text().replace('name = "tfidf-logistic"', 'name = "tfidf-logistic"\nparams = {C = 3.0}'))
    assert Project(project.folder).savings()["baseline"] is None


@pytest.mark.long
def test_a_simulation_is_kept_without_its_queries_and_serves_as_baseline(project: Project) -> None:
    before = project.digest()
    project.simulate(strategies=["random"], rounds=8, repeats=3, jobs=1)
    with project.ledger.read() as tx:
        (kept,) = list_analyses(tx, "simulation")
    assert set(kept.result["runs"][0]) == {"strategy", "repeat", "labels", "metrics"}
    assert kept.result["settings"] == project.settings_key
    found = project.savings()
    assert found["baseline"]["source"] == "simulation"
    assert found["baseline"]["labels"][:9] == [20, 30, 40, 50, 60, 70, 80, 90, 100]
    assert found["verdict"]["kind"] != "unknown"
    assert project.digest() == before


@pytest.mark.long
def test_random_sampling_is_replayed_on_the_labels_collected(project: Project) -> None:
    found = project.baseline(repeats=4, jobs=1)
    assert found["source"] == "collected"
    assert max(found["labels"]) <= 40, "half of 80 labels, and less as weighted"
    assert np.shape(found["curves"]) == (4, len(found["labels"]))
    told = project.savings()["baseline"]
    assert any("meet by construction" in limit for limit in told["cannot_tell"])
    assert any("not drawn at random" in limit for limit in told["cannot_tell"])
    assert max(told["labels"]) == pytest.approx(320), "four times the labels of now, extrapolated"
    assert all(0 <= value <= 1 for edge in ("low", "mean", "high") for value in told[edge])


@pytest.mark.long
def test_enough_control_items_make_a_baseline_of_their_own(start: Callable[..., Project]) -> None:
    project = start(query="control_share = 0.8")
    project.run(rounds=7, oracle="label")
    found = project.baseline(repeats=3, jobs=1)
    assert (found["source"], found["population"], found["measured_to"]) == ("control", 56, 44)
    assert "asked at random alone" in found["how"]


def test_too_few_labels_make_no_baseline(start: Callable[..., Project]) -> None:
    project = start()
    with pytest.raises(DataError, match="no round has been labeled"):
        project.baseline()
    project.run(rounds=0, oracle="label")
    with pytest.raises(DataError, match="20 labels make a curve"):
        project.baseline()


@pytest.mark.long
def test_the_command_prints_the_sentence_and_what_it_cannot_tell(project: Project) -> None:
    done = CliRunner().invoke(
        cli, ["baseline", "--repeats", "3", "--jobs", "1", "--project", str(project.folder)], catch_exceptions=False
    )
    assert done.exit_code == 0
    assert "80 labels" in done.output.splitlines()[0]
    assert "cannot tell: " in done.output
    assert "baseline (collected)" in done.output


def test_a_point_of_quality_has_its_price(project: Project) -> None:
    with project.ledger.read() as tx:
        rounds = list_metrics(tx, name="accuracy")
    gain = 100 * (rounds[-1].value - rounds[0].value)
    found = project.savings()["cost_per_point"]
    assert found["labels"] == pytest.approx(60 / gain)
    assert found["money"] == pytest.approx(30 / gain)
    assert found["hours"] == pytest.approx(0.6 / gain)


def test_a_forecast_comes_with_its_test_on_earlier_rounds(project: Project) -> None:
    found = project.savings()["forecast"]
    assert found["at_labels"] == 160
    assert found["low"] <= found["value"] <= found["high"] <= 1
    assert {"at_labels", "forecast", "low", "high", "measured"} == set(found["backtest"][0])
    assert "to be expected with 160 labels, twice as many as now" in found["sentence"]


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
    monkeypatch.setattr("querist.pipeline.advice.flat", lambda *_, **__: rules.Advice("flat", True, "as planted"))
    outcome = project.run(rounds=6, oracle="label")
    assert outcome.status == "stopped"
    assert outcome.reason.startswith(f"advice acted on ({name})")
    assert next(row for row in project.savings()["stopping"] if row["which"] == name)["acts"]
