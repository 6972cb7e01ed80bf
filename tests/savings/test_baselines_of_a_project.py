"""What random sampling is told by: simulations on record, control items, labels collected."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from planted_baseline import measured_on, plant, reached

from querist.core.errors import DataError
from querist.pipeline.evaluation.random_curves import holdout_key, random_curves
from querist.pipeline.project import Project
from querist.store.analyses import list_analyses
from querist.store.models import list_metrics


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
