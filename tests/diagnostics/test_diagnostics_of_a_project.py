"""Diagnostics from the record of a project, and on the command line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from querist.cli import cli
from querist.core.errors import DataError
from querist.pipeline.evaluation.diagnose import record_diagnostics, record_label_errors
from querist.pipeline.evaluation.diagnostics import _balance, _read, diagnostics
from querist.pipeline.human_labeling.review import rule
from querist.pipeline.project import Project
from querist.snapshots.snapshot import TEST
from querist.store.analyses import add_analysis, list_analyses
from querist.store.annotations import Annotation, add_annotations

NOW = datetime(2026, 1, 2, tzinfo=UTC)
EMPTY = {
    "class_balance": [],
    "redundancy": [],
    "queried_against_pool": None,
    "ceiling": None,
    "label_errors": [],
    "label_errors_sentence": None,
    "minority": [],
    "warnings": [],
    "recorded": [],
}


@pytest.fixture
def looped(folder: Path, reviews: Path, grown: Callable[..., Project]) -> Project:
    """Three rounds of ten after a seed set of twenty, answered by the labels of the file."""

    def make() -> Project:
        project = Project(folder)
        project.ingest(reviews)
        project.run(rounds=3, oracle="label")
        return project

    return grown("looped", folder, make)


def kinds(found: dict[str, Any]) -> set[str]:
    return {warning["kind"] for warning in found["warnings"]}


def test_an_empty_project_has_empty_diagnostics(folder: Path) -> None:
    assert diagnostics(Project(folder)) == EMPTY


def test_a_project_whose_seed_set_waits_has_empty_diagnostics(folder: Path, reviews: Path) -> None:
    settings = (folder / "querist.toml").read_text().replace('label = "label"\n', 'classes = ["neg", "pos"]\n')
    (folder / "querist.toml").write_text(settings)
    project = Project(folder)
    project.ingest(reviews)
    project.run()
    assert diagnostics(project) == EMPTY
    assert not record_diagnostics(project)
    with pytest.raises(DataError, match="label the first round"):
        record_label_errors(project)


def test_shares_of_queries_pool_and_holdout_sum_to_one(looped: Project) -> None:
    rows = diagnostics(looped)["class_balance"]
    assert [row["class"] for row in rows] == ["neg", "pos"]
    for part in ("asked", "pool_estimate", "holdout"):
        assert sum(row[part] for row in rows) == pytest.approx(1.0)


def test_embeddings_are_looked_at_once_a_round_and_not_by_diagnostics_itself(looped: Project) -> None:
    before = diagnostics(looped)
    assert before["redundancy"] == []
    assert before["queried_against_pool"] is None
    assert record_diagnostics(looped)
    assert not record_diagnostics(looped)
    found = diagnostics(looped)
    assert [row["round"] for row in found["redundancy"]] == [1, 2, 3]
    assert all(0 <= row["nearest"] <= 2 and 0 <= row["random_nearest"] <= 2 for row in found["redundancy"])
    assert 0 <= found["queried_against_pool"]["auc"] <= 1
    assert [(row["kind"], row["round"]) for row in found["recorded"]] == [("diagnostics", 3)]
    looped.run(rounds=4, oracle="label")
    assert record_diagnostics(looped)
    assert [row["round"] for row in diagnostics(looped)["redundancy"]] == [1, 2, 3, 4]


def test_a_project_that_may_only_be_read_can_be_looked_at(looped: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(looped.ledger), "read_only", property(lambda _: True))
    assert not record_diagnostics(looped)
    assert diagnostics(looped)["redundancy"] == []


def test_the_same_record_gives_the_same_figures(looped: Project) -> None:
    record_diagnostics(looped)
    with looped.ledger.read() as tx:
        (first,) = list_analyses(tx, "diagnostics")
    with looped.ledger.begin() as tx:
        add_analysis(tx, "diagnostics", {}, round=0, now=NOW)
    record_diagnostics(looped)
    with looped.ledger.read() as tx:
        assert list_analyses(tx, "diagnostics")[-1].result == first.result


def test_diagnostics_leave_the_digest_as_it_was(looped: Project) -> None:
    before = looped.digest()
    record_diagnostics(looped)
    record_label_errors(looped)
    assert looped.digest() == before


@pytest.fixture
def mislabeled(folder: Path, tmp_path: Path, make_reviews: Callable[..., Path]) -> tuple[Project, list[str]]:
    """Reviews that came with labels, of which every twelfth is wrong."""
    path = make_reviews(tmp_path / "reviews.csv")
    lines, wrong = path.read_text().splitlines(), []
    for n in range(1, len(lines), 12):
        id, text, label, product = lines[n].split(",")
        lines[n] = ",".join([id, text, {"pos": "neg", "neg": "pos"}[label], product])
        wrong.append(id)
    path.write_text("\n".join(lines) + "\n")
    project = Project(folder)
    project.ingest(path)
    project.run(rounds=0)
    return project, wrong


def test_wrong_labels_are_found_and_the_count_is_a_warning(mislabeled: tuple[Project, list[str]]) -> None:
    project, wrong = mislabeled
    assert record_label_errors(project)
    assert not record_label_errors(project)
    found = diagnostics(project)
    first = [row["item"] for row in found["label_errors"][:15]]
    assert len(set(first) & set(wrong)) >= 12
    assert all(row["given"] != row["suggested"] for row in found["label_errors"])
    assert "label_errors" in kinds(found)
    assert "In a trial with 14 labels made wrong on purpose" in found["label_errors_sentence"]


def test_a_label_that_a_lead_has_ruled_on_is_no_suspect(mislabeled: tuple[Project, list[str]]) -> None:
    project, _ = mislabeled
    record_label_errors(project)
    worst = diagnostics(project)["label_errors"][0]
    with project.ledger.begin() as tx:
        position = project.snapshot.find([worst["item"]])[worst["item"]]
        answer = Annotation("a", worst["item"], position, "pool", worst["given"], "ann")
        add_annotations(tx, [answer], now=NOW)
    assert diagnostics(project)["label_errors"][0] == worst
    rule(project, worst["item"], worst["given"], by="lea")
    assert worst["item"] not in {row["item"] for row in diagnostics(project)["label_errors"]}


def test_too_few_labels_cannot_be_judged(folder: Path, reviews: Path) -> None:
    settings = (folder / "querist.toml").read_text().replace("size = 20", "size = 6")
    (folder / "querist.toml").write_text(settings)
    project = Project(folder)
    project.ingest(reviews)
    project.run(rounds=0, oracle="label")
    with pytest.raises(DataError, match="two classes have 5 labels each"):
        record_label_errors(project)


def test_the_ceiling_comes_from_items_that_several_people_answered(looped: Project) -> None:
    assert diagnostics(looped)["ceiling"] is None
    queries = [q for number in range(4) for q in looped.show_round(number)["queries"]]
    added = []
    for n, query in enumerate(queries):
        label = query["annotations"][0]["label"]
        other = {"pos": "neg", "neg": "pos"}[label] if n % 5 == 0 else label
        position = looped.snapshot.find([query["id"]])[query["id"]]
        added.append(Annotation(f"x{n}", query["id"], position, "pool", other, "ann"))
    with looped.ledger.begin() as tx:
        add_annotations(tx, added, now=NOW)
    found = diagnostics(looped)["ceiling"]
    assert found["value"] == pytest.approx((1 + (2 * 0.8 - 1) ** 0.5) / 2)  # 10 of 50 disagree, two classes
    assert found["low"] < found["value"] < found["high"]
    assert found["sentence"].startswith("two people agree on 80% of 50 items asked")
    assert not found["at_random"]


def test_the_ceiling_of_holdout_items_comes_before_that_of_items_asked(looped: Project) -> None:
    """Two people agree on all of the holdout, and on nothing that was asked."""
    held = np.flatnonzero(looped.snapshot.splits() == TEST).tolist()
    ids = looped.snapshot.take(np.array(held), ["id"])["id"].to_pylist()
    asked = [query["id"] for number in range(4) for query in looped.show_round(number)["queries"]]
    places = looped.snapshot.find(asked)
    added = [
        Annotation(f"{who}{item}", item, place, split, label, who)
        for items, split, labels in (
            (zip(ids, held, strict=True), "test", ("pos", "pos")),
            (places.items(), "pool", ("pos", "neg")),
        )
        for item, place in items
        for who, label in zip(("ann", "bob"), labels, strict=True)
    ]
    with looped.ledger.begin() as tx:
        add_annotations(tx, added, now=NOW)
    found = diagnostics(looped)["ceiling"]
    assert (found["value"], found["at_random"]) == (1.0, True)
    assert found["sentence"].startswith(f"two people agree on 100% of {len(held)} items,")
    assert "a model may measure more" in found["sentence"]


def test_what_the_model_believes_of_the_pool_is_shown_and_proves_nothing(looped: Project) -> None:
    """Fewer than fifty items in holdout and control arm leave the model's estimate alone."""
    found = _read(looped)
    assert found is not None
    few = replace(
        found, chosen=found.pool[0][found.pool[1] == 0], holdout=(found.holdout[0][:30], found.holdout[1][:30])
    )
    rows, said = _balance(few, looped)
    assert rows[0]["asked"] == 1.0
    assert rows[0]["pool_estimate"] < 0.7
    assert said == []


def test_a_rare_class_has_its_recall_by_round_and_the_simulation_speaks(
    folder: Path, tmp_path: Path, make_reviews: Callable[..., Path]
) -> None:
    path = make_reviews(tmp_path / "reviews.csv", 600)
    head, *lines = path.read_text().splitlines()
    positives = [line for line in lines if ",pos," in line]
    kept = [line for line in lines if ",neg," in line] + positives[:60]
    path.write_text("\n".join([head, *kept]) + "\n")
    project = Project(folder)
    project.ingest(path)
    project.run(rounds=1, oracle="label")
    found = diagnostics(project)
    assert [(row["class"], row["round"]) for row in found["minority"]] == [("pos", 0), ("pos", 1)]
    assert all(row["low"] <= row["recall"] <= row["high"] for row in found["minority"])
    assert "minority" not in kinds(found)
    worse = {"difference": -0.2, "low": -0.3, "high": -0.1, "p_holm": 0.01}
    summary = {"kmeans": {"metrics": {"recall:pos": {"against_random": worse}}}}
    with project.ledger.begin() as tx:
        add_analysis(tx, "simulation", {"summary": summary}, now=NOW)
    assert "minority" in kinds(diagnostics(project))


def test_warnings_of_the_evaluation_pass_through(folder: Path, reviews: Path) -> None:
    settings = (folder / "querist.toml").read_text().replace("test = 0.2", "test = 0\nvalidation = 0")
    (folder / "querist.toml").write_text(settings)
    project = Project(folder)
    project.ingest(reviews)
    project.run(rounds=0, oracle="label")
    (warning,) = diagnostics(project)["warnings"]
    assert warning["kind"] == "evaluation"
    assert warning["sentence"].startswith("no labeled holdout")


def test_a_calibration_warning_passes_through(folder: Path, reviews: Path) -> None:
    settings = (folder / "querist.toml").read_text().replace("[learner]", '[learner]\ncalibration = "none"')
    (folder / "querist.toml").write_text(settings)
    project = Project(folder)
    project.ingest(reviews)
    project.run(rounds=0, oracle="label")
    (warning,) = diagnostics(project)["warnings"]
    assert warning["kind"] == "calibration"
    assert warning["sentence"] == project.status()["rounds"][0]["warnings"][0]


def test_enough_of_a_control_arm_speaks_for_the_pool(folder: Path, reviews: Path) -> None:
    settings = (folder / "querist.toml").read_text().replace("batch_size = 10", "batch_size = 60\ncontrol_share = 0.5")
    (folder / "querist.toml").write_text(settings)
    project = Project(folder)
    project.ingest(reviews)
    project.run(rounds=2, oracle="label")
    queries = [q for number in (1, 2) for q in project.show_round(number)["queries"]]
    said = {
        name: [q["annotations"][0]["label"] for q in queries if q["strategy"] == name] for name in ("control", "kmeans")
    }
    assert len(said["control"]) == 60
    row = diagnostics(project)["class_balance"][1]
    assert row["pool_estimate"] == said["control"].count("pos") / 60
    assert row["asked"] == said["kmeans"].count("pos") / 60


def test_all_of_it_is_json(mislabeled: tuple[Project, list[str]]) -> None:
    project, _ = mislabeled
    record_label_errors(project)
    json.dumps(diagnostics(project), allow_nan=False)


def test_the_command_prints_tables_and_sentences(looped: Project) -> None:
    shown = CliRunner().invoke(cli, ["diagnostics", "--label-errors", "--project", str(looped.folder)])
    assert shown.exit_code == 0, shown.output
    assert "classes:" in shown.output
    assert "batches: median distance of an item to its nearest neighbour" in shown.output
    assert "a second model tells queried items from the rest of the pool" in shown.output
    printed = CliRunner().invoke(cli, ["diagnostics", "--json", "--project", str(looped.folder)])
    assert {row["kind"] for row in json.loads(printed.output)["recorded"]} == {"diagnostics", "label_errors"}


def test_names_do_not_turn_the_direction_of_what_the_command_prints(
    folder: Path, tmp_path: Path, make_reviews: Callable[..., Path]
) -> None:
    path = make_reviews(tmp_path / "reviews.csv")
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "label": f"{row['label']}\u202e"} for row in rows)
    project = Project(folder)
    project.ingest(path)
    project.run(rounds=1, oracle="label")
    assert all("\u202e" in row["class"] for row in diagnostics(project)["class_balance"])
    for verb in ("diagnostics", "checklist"):
        shown = CliRunner().invoke(cli, [verb, "--project", str(folder)])
        assert shown.exit_code == 0, shown.output
        assert "\u202e" not in shown.output


def test_the_command_says_what_to_do_in_an_empty_project(folder: Path) -> None:
    shown = CliRunner().invoke(cli, ["diagnostics", "--project", str(folder)])
    assert shown.exit_code == 0
    assert "nothing is labeled yet" in shown.output
