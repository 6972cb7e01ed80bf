"""`savings`, `baseline` and `simulate` on a project: the record, the sentences, and what nobody can tell."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from querist.cli import cli
from querist.config import Settings
from querist.config.loop import ObjectiveSettings
from querist.core.errors import DataError
from querist.pipeline.evaluation.outlook import outlook
from querist.pipeline.evaluation.random_curves import holdout_key, learner_key, random_curves
from querist.pipeline.evaluation.savings import Rates, _cost_per_point
from querist.pipeline.project import Project
from querist.pipeline.reporting.conclusions import headline
from querist.snapshots.snapshot import TEST
from querist.stages.evaluation.savings import Needed, share_saved
from querist.stages.reporting.linked import linked
from querist.stages.reporting.verdicts import Reached, no_difference, saved, to_goal
from querist.store.analyses import add_analysis, list_analyses
from querist.store.models import Metric, list_metrics

LABELS = np.arange(10, 410, 10)


@pytest.fixture
def project(
    start: Callable[..., Project],
    folder: Path,
    reviews: Path,
    clock: Callable[[], datetime],
    grown: Callable[..., Project],
) -> Project:
    """Every sixth review says the opposite of its label, so that random sampling may do better than what is reached."""
    opposite = {",pos,": ",neg,", ",neg,": ",pos,"}
    lines = reviews.read_text(encoding="utf-8").splitlines(keepends=True)
    lines[6::6] = [re.sub(",pos,|,neg,", lambda found: opposite[found[0]], line) for line in lines[6::6]]
    reviews.write_text("".join(lines), encoding="utf-8")

    def make() -> Project:
        made = start(objective="cost_per_label = 0.5\nseconds_per_label = 36")
        made.run(rounds=6, oracle="label")
        return made

    return grown("savings", folder, make, clock)


def plant(
    project: Project,
    mean: Callable[[np.ndarray], np.ndarray],
    *,
    spread: float = 0.002,
    labels: np.ndarray = LABELS,
    metric: str = "accuracy",
    repeats: int = 100,
    holdout: str | None = None,
) -> None:
    """Puts a simulation on record whose random arm has this mean curve."""
    off = np.linspace(-1.0, 1.0, repeats)[:, None] * spread * np.where(np.arange(len(labels)) % 2, 1.0, -1.0)
    curves = mean(labels) + off
    runs = [
        {"strategy": "random", "repeat": r, "labels": labels.tolist(), "metrics": {metric: curve.tolist()}}
        for r, curve in enumerate(curves)
    ]
    kept = {"runs": runs, "n_pool": 400, "n_test": 80, "learner": learner_key(project.settings)}
    kept |= {"snapshot": project.snapshot.id, "holdout": holdout or measured_on(project)}
    with project.ledger.begin() as tx:
        add_analysis(tx, "simulation", kept, now=project.clock())


def measured_on(project: Project) -> str:
    """The key of the whole holdout, as the snapshot has it."""
    codes, classes = project.snapshot.labels("label")
    at = np.flatnonzero(project.snapshot.primary() & (project.snapshot.splits() == TEST))
    return holdout_key(at, codes[at], classes)


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


def test_no_interval_ends_beyond_what_the_metric_can_be(project: Project) -> None:
    plant(project, lambda n: 0 * n + 0.99, spread=0.01, repeats=3)
    found = project.savings()["verdict"]["random_value"]
    assert (0 <= found["low"] < found["value"], found["high"]) == (True, 1.0)


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
    assert verdict["random_labels"]["low"] == 400
    assert "more than 400" in verdict["sentence"]
    assert "at least 80 % fewer labels" in verdict["sentence"]


def test_where_random_began_better_the_sentence_says_at_most(project: Project) -> None:
    value, _ = reached(project)
    plant(project, lambda n: value + 0.05 + 0.0001 * n, labels=np.arange(40, 410, 10))
    verdict = project.savings()["verdict"]
    assert (verdict["kind"], verdict["random_labels"]) == ("lost", {"value": None, "low": None, "high": 40})
    assert verdict["sentence"].endswith("random would have needed at most 40, so at least 100 % more were used")
    assert verdict["money"]["value"] is None
    assert verdict["money"]["high"] == pytest.approx(-20)


def test_beyond_the_measured_curve_at_least_is_all_that_is_said(project: Project) -> None:
    value, _ = reached(project)
    labels = np.arange(20, 101, 10)
    plant(project, lambda n: value + 0.03 - 0.6 / n**0.5, labels=labels, spread=0.0005)
    verdict = project.savings()["verdict"]
    assert (verdict["kind"], verdict["random_labels"]) == ("saved", {"value": None, "low": 100, "high": None})
    assert verdict["sentence"].endswith(
        "needed more than 100: at least 20 % fewer labels, at least EUR 10.00 and at least 12 minutes saved"
    )


def test_a_figure_of_an_extrapolated_curve_is_called_that() -> None:
    reached = Reached("accuracy", 0.3, 0.8, 525)
    needed, share = {"value": None, "low": 525.0, "high": None}, {"value": None, "low": 0.0, "high": None}
    assert saved(reached, needed, share, "", 1054.2).endswith(
        "random would have needed more than 525 (about 1,054 by an extrapolated curve)"
    ), "at least 0 % fewer is not worth saying"


def test_each_figure_of_each_first_sentence_is_in_a_row_of_the_evidence(project: Project) -> None:
    value, labels = reached(project)
    far, late = np.arange(20, 101, 10), np.arange(100, 410, 10)
    cases: list[tuple[str, Callable[[np.ndarray], np.ndarray], dict[str, Any]]] = [
        ("50 % fewer", lambda n: value + 0.001 * (n - 2 * labels), {}),
        ("by an extrapolated curve", lambda n: value + 0.12 - 1.25 / n**0.5, {"labels": far, "spread": 0.0005}),
        ("no difference", lambda n: value + 0.001 * (n - labels), {}),
        (" more and ", lambda n: value + 0.001 * (n - labels), {"spread": 0.01}),
        ("from noise: ", lambda n: value + 0.001 * (n - labels), {"spread": 0.2}),
        ("100 % more", lambda n: value + 0.001 * (n - labels / 2), {}),
        ("at most 40", lambda n: value + 0.05 + 0.0001 * n, {"labels": np.arange(40, 410, 10)}),
        ("begins at 100", lambda n: value + 0.0001 * n, {"labels": late}),
        ("measured up to 60", lambda n: value + 0.001 * (n - 70), {"labels": np.arange(10, 61, 10)}),
    ]
    said = set()
    for words, mean, how in cases:
        plant(project, mean, **how)
        verdict, figures, rows = first_sentence(project)
        assert words in verdict["sentence"]
        assert [figure for figure, anchor in figures if anchor == "evidence"] == [], verdict["sentence"]
        assert "None" not in str([row["value"] for row in rows])
        said.add(verdict["kind"])
    assert said == {"saved", "no_difference", "lost", "unknown"}


def first_sentence(project: Project) -> tuple[dict[str, Any], list[tuple[str, str]], list[dict[str, Any]]]:
    """The verdict, each figure of the report's first sentence with where it leads, and the rows of the evidence."""
    found, objective = project.savings(), project.settings.objective.model_dump(mode="json")
    with project.ledger.read() as tx:
        rounds = [vars(m) | {"labels": m.n_labels} for m in list_metrics(tx, name="accuracy")]
    status = {"first": rounds[0], "last": rounds[-1]}
    told = headline({"status": status, "savings": found, "objective": objective, "metric": "accuracy"})
    pieces = linked(told["sentence"], told["evidence"])
    return found["verdict"], [(piece.text, piece.anchor) for piece in pieces if piece.anchor], told["evidence"]


def test_more_labels_than_random_sampling_needs_are_a_positive_share_of_them() -> None:
    """525 labels used where random sampling needs 200 to 640: 162 % more than 200, 18 % fewer than 640."""
    share = asdict(share_saved(Needed(510, 200, 640), 525))
    sentence = no_difference(Reached("accuracy", 0.3, 0.8, 525), {"value": 0.79, "low": 0.77, "high": 0.82}, share)
    assert sentence.endswith("(between 162 % more and 18 % fewer labels)")


def test_a_curve_measured_on_another_holdout_decides_nothing(project: Project) -> None:
    value, labels = reached(project)
    plant(project, lambda n: value + 0.001 * (n - 2 * labels), holdout="another")
    found = project.savings()
    assert found["verdict"]["kind"] == "unknown"
    assert "another holdout than the newest model; repeat `querist simulate`" in found["verdict"]["sentence"]
    assert found["baseline"] is not None


def test_a_holdout_is_known_by_its_items_and_the_names_of_their_classes() -> None:
    at, codes = np.array([7, 3, 5]), np.array([0, 1, 0])
    key = holdout_key(at, codes, ["b", "a"])
    assert holdout_key(at[::-1], np.array([1, 0, 1]), ["a", "b", "c"]) == holdout_key(
        at[::-1], np.array([0, 1, 0]), ["b", "a"]
    )
    assert holdout_key(at[[2, 0, 1]], codes[[2, 0, 1]], ["b", "a"]) == key
    assert holdout_key(at[:2], codes[:2], ["b", "a"]) != key
    assert holdout_key(at, np.array([0, 0, 0]), ["b", "a"]) != key


def test_two_repeats_are_said_to_be_too_few(project: Project) -> None:
    plant(project, lambda n: n / 1000, repeats=2)
    assert "a simulation needs 3 repeats" in project.savings()["verdict"]["sentence"]


@pytest.mark.parametrize(("ahead", "kind"), [(2.0, "saved"), (0.5, "lost")])
def test_a_loss_is_held_against_random_the_right_way_up(project: Project, ahead: float, kind: str) -> None:
    path = project.folder / "querist.toml"
    path.write_text(path.read_text().replace('metric = "accuracy"', 'metric = "log_loss"'))
    project = Project(project.folder, clock=project.clock)
    with project.ledger.read() as tx:
        last = list_metrics(tx, name="log_loss")[-1]
    plant(project, lambda n: last.value - 0.001 * (n - ahead * last.n_labels), metric="log_loss")
    verdict = project.savings()["verdict"]
    assert verdict["kind"] == kind
    assert verdict["random_labels"]["value"] == pytest.approx(ahead * last.n_labels)


def test_items_that_several_people_answer_cost_as_many_answers(project: Project) -> None:
    path = project.folder / "querist.toml"
    path.write_text(path.read_text() + "\n[labeling]\noverlap = 3\noverlap_share = 0.5\n")
    project = Project(project.folder, clock=project.clock)
    value, labels = reached(project)
    plant(project, lambda n: value + 0.001 * (n - 2 * labels))
    verdict = project.savings()["verdict"]
    assert verdict["money"]["value"] == pytest.approx(80), "80 items at two answers of 0.50"
    assert verdict["hours"]["value"] == pytest.approx(1.6)


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
    assert kept.result["holdout"] == measured_on(project)
    found = project.savings()
    assert found["baseline"]["source"] == "simulation"
    assert found["baseline"]["labels"][:9] == [20, 30, 40, 50, 60, 70, 80, 90, 100]
    assert found["verdict"]["kind"] != "unknown"
    assert project.digest() == before


@pytest.mark.long
def test_random_sampling_is_replayed_on_the_labels_collected(project: Project) -> None:
    found = project.baseline(repeats=4, jobs=1)
    assert found["source"] == "collected"
    assert found["holdout"] == measured_on(project)
    assert max(found["labels"]) <= 40, "half of 80 labels, and less as weighted"
    assert np.shape(found["curves"]) == (4, len(found["labels"]))
    told = project.savings()["baseline"]
    assert any("meet by construction" in limit for limit in told["cannot_tell"])
    assert any("not drawn at random" in limit for limit in told["cannot_tell"])
    assert max(told["labels"]) == pytest.approx(320), "four times the labels of now, extrapolated"
    assert all(0 <= value <= 1 for edge in ("low", "mean", "high") for value in told[edge])


def test_a_curve_is_measured_as_far_as_its_last_defined_point(project: Project) -> None:
    plant(project, lambda n: np.where(n > 300, np.nan, 0.5 + n / 2000), metric="roc_auc")
    with project.ledger.read() as tx:
        simulations = list_analyses(tx, "simulation")
    objective = project.settings.objective.model_copy(update={"metric": "roc_auc"})
    settings = project.settings.model_copy(update={"objective": objective})
    (found,) = random_curves(simulations, [], settings, project.snapshot.id)
    assert found.baseline.labels[-1] == found.baseline.measured_to == 300


@pytest.mark.long
def test_enough_control_items_make_a_baseline_of_their_own(start: Callable[..., Project]) -> None:
    project = start(query="control_share = 0.8", seed_set='draw = "random"')
    project.run(rounds=7, oracle="label")
    found = project.baseline(repeats=3, jobs=1)
    assert (found["source"], found["population"], found["measured_to"]) == ("control", 76, 60)
    assert "asked at random alone" in found["how"]


@pytest.mark.long
def test_control_items_from_a_pool_that_the_strategy_emptied_are_no_baseline(start: Callable[..., Project]) -> None:
    project = start(query="control_share = 0.6", seed_set='draw = "random"')
    project.run(rounds=10, oracle="label")
    found = project.baseline(repeats=3, jobs=1)
    assert found["source"] == "collected", "40 of 320 are more than a tenth"


@pytest.mark.long
def test_a_strategy_that_draws_at_random_is_a_random_sample(start: Callable[..., Project]) -> None:
    project = start(seed_set='draw = "random"')
    path = project.folder / "querist.toml"
    path.write_text(path.read_text().replace('strategy = "kmeans"', 'strategy = "random"'))
    project = Project(project.folder, clock=project.clock)
    assert project.settings.query.strategy == "random"
    project.run(rounds=6, oracle="label")
    found = project.baseline(repeats=3, jobs=1)
    assert (found["source"], found["population"]) == ("control", 80)


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


def test_a_point_of_quality_has_its_price_once_the_gain_is_beyond_noise(project: Project) -> None:
    with project.ledger.read() as tx:
        first, last = (m for m in list_metrics(tx, name="accuracy") if m.round in (0, 6))

    def measured(low: float, high: float) -> Any:
        rounds = [replace(first, value=0.6, low=0.55, high=0.65), replace(last, value=0.7, low=low, high=high)]
        return _cost_per_point(rounds, Rates(money=0.5, hours=0.01))

    assert measured(0.65, 0.75) == pytest.approx(
        {"labels": 6.0, "labels_low": 0.6 / (0.1 + 0.005**0.5), "labels_high": 0.6 / (0.1 - 0.005**0.5)}
        | {"money": 3.0, "hours": 0.06}
    )
    assert measured(0.6, 0.8) is None, "0.10 gained, and 0.11 may be noise"


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
