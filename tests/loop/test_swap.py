"""The learner changes in mid-project: what is known is learned again on the new features before anything needs them."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from querist.cli import cli
from querist.core.errors import SettingError
from querist.pipeline.project import Project
from querist.stages.evaluation.step import Evaluation
from querist.stages.query_strategy.step import QueryStrategy
from querist.stages.retraining.step import LearnerChange
from querist.stages.uncertainty_scoring.step import UncertaintyScoring
from querist.store.models import list_models

Change = Callable[[Path, str, str], None]
Make = Callable[..., Path]
TFIDF, HASHING = "tfidf(chars=[]) + logistic", "hashing(chars=[], n_features=512) + logistic"
SAID = f"the learner changed from {TFIDF} to {HASHING}"
ROUND = ["uncertainty_scoring", "query_strategy", "human_labeling", "retraining", "evaluation"]


@pytest.fixture
def swap(change: Change) -> Callable[[Path], Project]:
    """Hashed features in place of TF-IDF."""

    def swap(folder: Path) -> Project:
        change(folder, '"tfidf-logistic"', '"hashing-logistic"')
        change(folder, "chars = []", "chars = []\nn_features = 512")
        return Project(folder)

    return swap


Swap = Callable[[Path], Project]


class Crash(Exception):
    pass


def crash(step: type, method: str) -> pytest.MonkeyPatch:
    """Makes a step raise until `undo`."""

    def fail(*_: object) -> None:
        raise Crash

    patch = pytest.MonkeyPatch()
    patch.setattr(step, method, fail)
    return patch


def run_into_crash(project: Project, step: type, method: str = "compute", *, rounds: int) -> None:
    patch = crash(step, method)
    with pytest.raises(Crash):
        project.run(rounds=rounds, oracle="label")
    patch.undo()


def steps_of(project: Project, number: int) -> dict[str, dict[str, Any]]:
    return {step["name"]: dict(step["result"]) for step in project.show_round(number)["steps"]}


def test_another_encoder_learns_the_known_labels_before_the_next_round_scores(project: Project, swap: Swap) -> None:
    project.run(rounds=1, oracle="label")
    before = project.status()["rounds"]
    project = swap(project.folder)
    assert project.run(rounds=3, oracle="label").status == "done"
    steps = steps_of(project, 2)
    assert list(steps) == ["learner_change", *ROUND]
    change = steps["learner_change"]
    assert (change["plan"], change["n_labels"]) == ("full", 30)
    assert SAID in change["reason"]
    found = project.show_round(2)
    assert {q["model_version"] for q in found["queries"]} == {change["version"]}
    assert [m["version"] for m in found["models"]] == [change["version"], steps["retraining"]["version"]]
    assert project.status()["rounds"][:2] == before, "earlier metrics keep the model they belong to"
    assert list(steps_of(project, 3)) == ROUND
    assert project.status()["rounds"][3]["value"] > 0.7


def test_the_record_tells_of_a_change(project: Project, swap: Swap) -> None:
    project.run(rounds=1, oracle="label")
    project = swap(project.folder)
    project.run(rounds=2, oracle="label")
    assert [row["learner_changes"] for row in project.status()["rounds"]] == [[], [], [SAID]]
    assert project.show_round(2)["learner_changes"] == [SAID]
    assert f"- Round 2: {SAID}." in project.write_summary().read_text()
    for command in (["run", "--rounds", "2", "--oracle", "label"], ["status"], ["rounds", "show", "2"]):
        shown = CliRunner().invoke(cli, [*command, "--project", str(project.folder)])
        assert SAID in shown.output


@pytest.mark.parametrize("answer", ["label", "skip"])
def test_a_round_that_waits_for_labels_retrains_in_full_whatever_the_rule(
    folder: Path, tmp_path: Path, make_reviews: Make, change: Change, swap: Swap, answer: str
) -> None:
    change(folder, 'label = "label"\n', 'classes = ["neg", "pos"]\n')
    change(folder, "[query]", '[retraining]\nwhen = "labels"\nmin_labels = 1000\nwarm_start = true\n[query]')
    source = make_reviews(tmp_path / "reviews.csv")
    truth = {row["id"]: row["label"] for row in csv.DictReader(source.open())}

    def answered(project: Project, **skip: str) -> Project:
        batch = tmp_path / "batch.jsonl"
        project.export_labels(batch)
        items = [json.loads(line)["id"] for line in batch.read_text().splitlines()]
        rows = [{"id": i, "label": "" if skip else truth[i], **skip} for i in items]
        batch.write_text("".join(json.dumps(row) + "\n" for row in rows))
        project.import_labels(batch)
        return project

    project = Project(folder)
    project.ingest(source)
    project.run()
    assert answered(project).run().round == 1
    outcome = answered(swap(folder), **({"skip": "yes"} if answer == "skip" else {})).run()
    assert (outcome.status, outcome.round) == ("waiting", 2)
    steps = steps_of(project, 1)
    assert list(steps) == ROUND
    assert steps["retraining"]["plan"] == "full"
    assert SAID in steps["retraining"]["reason"]
    assert steps["retraining"]["n_labels"] == (20 if answer == "skip" else 30)
    assert project.status()["rounds"][1]["learner_changes"] == [SAID]
    assert "learner_change" not in steps_of(project, 2)


def test_a_crash_at_the_change_leaves_no_trace(project: Project, swap: Swap, tmp_path: Path) -> None:
    project.run(rounds=1, oracle="label")
    swap(project.folder)
    moments = [(LearnerChange, "compute"), (LearnerChange, "keep"), (LearnerChange, "write")]
    victims = {moment: tmp_path / f"victim-{i}" for i, moment in enumerate([*moments, (UncertaintyScoring, "compute")])}
    for victim in victims.values():
        shutil.copytree(project.folder, victim)
    undisturbed = Project(project.folder)
    undisturbed.run(rounds=2, oracle="label")
    for (step, method), victim in victims.items():
        run_into_crash(Project(victim), step, method, rounds=2)
        resumed = Project(victim)
        resumed.run(rounds=2, oracle="label")
        assert resumed.digest() == undisturbed.digest(), (step, method)


def test_between_retraining_and_evaluation_the_change_comes_before_the_evaluation(project: Project, swap: Swap) -> None:
    run_into_crash(project, Evaluation, rounds=0)
    project = swap(project.folder)
    project.run(rounds=1, oracle="label")
    steps = steps_of(project, 0)
    assert list(steps) == ["seed_set", "human_labeling", "initial_model", "learner_change", "evaluation"]
    assert project.status()["rounds"][0]["model_version"] == steps["learner_change"]["version"]
    assert list(steps_of(project, 1)) == ROUND


def test_scores_that_are_on_record_still_choose_the_batch(project: Project, swap: Swap) -> None:
    run_into_crash(project, QueryStrategy, rounds=1)
    project = swap(project.folder)
    project.run(rounds=1, oracle="label")
    steps = steps_of(project, 1)
    assert list(steps) == ROUND
    assert SAID in steps["retraining"]["reason"]
    assert {q["model_version"] for q in project.show_round(1)["queries"]} == {
        steps["uncertainty_scoring"]["model_version"]
    }


STRATEGY = """\
from querist.core.selection import top_k
from querist.core.types import Selection


class AsksTheModel:
    needs = frozenset({"scores", "model"})

    def __call__(self, pool, batch_size, rng, /):
        assert len(pool.classifier.predict_proba(pool.X())) == pool.n_items
        chosen = top_k(pool.scores, batch_size, rng)
        return Selection(chosen, pool.scores[chosen])
"""


def test_a_strategy_that_asks_the_model_gets_one_of_todays_features(
    project: Project, swap: Swap, change: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "asks_the_model.py").write_text(STRATEGY)
    monkeypatch.syspath_prepend(tmp_path)
    change(project.folder, '"kmeans"', '"asks_the_model:AsksTheModel"')
    run_into_crash(Project(project.folder), QueryStrategy, rounds=1)
    project = swap(project.folder)
    project.run(rounds=1, oracle="label")
    steps = steps_of(project, 1)
    assert list(steps) == ["uncertainty_scoring", "learner_change", *ROUND[1:]]
    scored_by = steps["uncertainty_scoring"]["model_version"]
    assert {q["model_version"] for q in project.show_round(1)["queries"]} == {scored_by}


def test_a_second_change_in_one_round_is_refused_until_the_first_is_through(
    project: Project, swap: Swap, change: Change
) -> None:
    project.run(rounds=0, oracle="label")
    run_into_crash(swap(project.folder), UncertaintyScoring, rounds=1)
    change(project.folder, "chars = []", "chars = [3, 4]")
    with pytest.raises(SettingError, match=r"already changed once in round 1.*set it back to hashing\(chars"):
        Project(project.folder).run(rounds=1, oracle="label")
    change(project.folder, "chars = [3, 4]", "chars = []")
    assert Project(project.folder).run(rounds=1, oracle="label").status == "done"
    change(project.folder, "chars = []", "chars = [3, 4]")
    assert Project(project.folder).run(rounds=2, oracle="label").status == "done"


def test_weights_are_never_carried_from_one_encoder_to_another(project: Project, swap: Swap, change: Change) -> None:
    change(project.folder, "[query]", "[retraining]\nwarm_start = true\n[query]")
    Project(project.folder).run(rounds=1, oracle="label")
    project = swap(project.folder)
    project.run(rounds=3, oracle="label")
    with project.ledger.begin() as tx:
        models = list_models(tx)
    assert [(m.learner["encoder"], m.report["warm"]) for m in models] == [
        ("tfidf", False),
        ("tfidf", True),
        ("hashing", False),
        ("hashing", True),
        ("hashing", True),
    ]


def test_another_head_on_the_same_features_needs_no_change_of_model(project: Project, change: Change) -> None:
    project.run(rounds=1, oracle="label")
    change(project.folder, '"tfidf-logistic"', '"tfidf-svm"')
    project = Project(project.folder)
    project.run(rounds=2, oracle="label")
    assert list(steps_of(project, 2)) == ROUND
    assert project.show_round(2)["models"][0]["learner"]["head"] == "svm"
    assert project.status()["rounds"][2]["learner_changes"] == []


def test_another_seed_draws_another_vocabulary_and_is_a_change(project: Project, change: Change) -> None:
    project.run(rounds=0, oracle="label")
    change(project.folder, "seed = 7", "seed = 8")
    project = Project(project.folder)
    project.run(rounds=1, oracle="label")
    assert f"the encoder of {TFIDF} changed: another project.seed" in steps_of(project, 1)["learner_change"]["reason"]


def test_another_scale_of_a_table_is_a_change(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(120, 2))
    rows = [f"{a},{b},{'up' if a > 0 else 'down'}" for a, b in values]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,label", *rows]))
    folder = tmp_path / "project"
    folder.mkdir()
    settings = (
        '[data]\nkind = "tabular"\nnumeric = ["a", "b"]\nlabel = "label"\n[seed_set]\nsize = 20\n'
        '[learner]\nname = "table-logistic"\n[query]\nbatch_size = 10\n'
    )
    (folder / "querist.toml").write_text(settings)
    Project(folder).ingest(tmp_path / "table.csv")
    Project(folder).run(rounds=0, oracle="label")
    (folder / "querist.toml").write_text(settings + "[preprocessing]\nsteps = []\n")
    project = Project(folder)
    project.run(rounds=1, oracle="label")
    assert "scale='standard'" in steps_of(project, 1)["learner_change"]["reason"]
    assert "scale=None" in steps_of(project, 1)["learner_change"]["reason"]
