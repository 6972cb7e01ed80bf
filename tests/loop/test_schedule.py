"""Weights of measures that move, and labels that matter more, in a project and in a replay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sklearn.datasets import load_digits

import querist
from querist.core.errors import UnknownName
from querist.pipeline.project import Project
from querist.stages.uncertainty_scoring.step import UncertaintyScoring
from querist.store.steps import list_steps

Change = Callable[[Path, str, str], None]
OLD = "measures = {entropy = 0.5, margin = 0.5}"


def recorded(project: Project) -> list[dict[str, float]]:
    with project.ledger.begin() as tx:
        return [s.result["measures"] for s in list_steps(tx) if s.name == UncertaintyScoring.NAME]


def test_the_record_holds_the_weights_of_each_round(project: Project, folder: Path, change: Change) -> None:
    change(folder, OLD, "measures = {entropy = [1, 0], margin = [0, 1]}\nhorizon = 2")
    project = Project(folder)
    project.run(rounds=3, oracle="label")
    assert recorded(project) == [
        {"entropy": 1.0, "margin": 0.0},
        {"entropy": 0.5, "margin": 0.5},
        {"entropy": 0.0, "margin": 1.0},
    ]


def test_with_a_budget_weights_move_as_it_is_spent(project: Project, folder: Path, change: Change) -> None:
    change(folder, OLD, "measures = {entropy = [1, 0], margin = [0, 1]}")
    change(folder, 'metric = "accuracy"', 'metric = "accuracy"\nbudget_labels = 40')
    project = Project(folder)
    project.run(rounds=2, oracle="label")
    assert [weights["margin"] for weights in recorded(project)] == [0.5, 0.75]  # 20 of 40 labels, then 30


def test_a_weight_of_a_label_changes_what_is_asked(project: Project, folder: Path, change: Change) -> None:
    change(folder, OLD, 'strategy = "uncertainty"\nclass_weights = {pos = 50}\n' + OLD)
    change(folder, 'strategy = "kmeans"\n', "")
    change(folder, OLD, "measures = {entropy = 1}")
    project = Project(folder)
    project.run(rounds=1, oracle="label")
    likely = [max(q["prediction"], key=q["prediction"].get) for q in project.show_round(1)["queries"]]
    assert likely.count("pos") == len(likely)


def test_a_weight_of_an_unknown_label_is_refused_by_name(project: Project, folder: Path, change: Change) -> None:
    change(folder, OLD, "class_weights = {spam = 5}\n" + OLD)
    with pytest.raises(UnknownName, match=r"class in query.class_weights 'spam'.*neg, pos"):
        Project(folder).run(rounds=1, oracle="label")


def test_a_replay_follows_the_schedule() -> None:
    digits = load_digits(n_class=6)

    def asked(measures: dict[str, object]) -> list[list[int]]:
        found = querist.simulate(
            X=digits.data / 16,
            y=digits.target,
            strategies=["uncertainty"],
            settings={"query": {"measures": measures, "horizon": 1}},
            seed_size=20,
            batch_size=10,
            rounds=2,
            repeats=1,
            jobs=1,
        )
        queries: list[list[int]] = found["runs"][0]["queries"]
        return queries

    moving, still = asked({"entropy": [1, 0], "margin": [0, 1]}), asked({"entropy": 1})
    assert moving[1] == still[1]
    assert moving[2] != still[2]


def test_strategies_of_opinions_and_models_run_in_the_loop() -> None:
    digits = load_digits(n_class=3)
    names = ["qbc", "bald", "batch_bald", "eer", "model_change", "fisher"]
    found = querist.simulate(
        X=digits.data / 16, y=digits.target, strategies=names, seed_size=12, batch_size=5, rounds=1, repeats=1, jobs=1
    )
    asked = {run["strategy"]: run["queries"][1] for run in found["runs"]}
    assert {name: len(set(batch)) for name, batch in asked.items()} == dict.fromkeys(names, 5)
