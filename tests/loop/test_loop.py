"""The loop through Project: simulated, with people, holdout, budgets, resume."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from querist.core.errors import Busy, DataError, HoldoutError, LedgerError, SettingError, UnknownName
from querist.pipeline.project import Project
from querist.snapshots.snapshot import POOL, TEST
from querist.store.annotations import list_annotations
from querist.store.models import list_models
from querist.store.rounds import list_queries
from querist.store.steps import list_steps

Clock = Callable[[], datetime]
Make = Callable[..., Path]


@pytest.fixture
def project(folder: Path, reviews: Path, clock: Clock) -> Project:
    opened = Project(folder, clock=clock)
    opened.ingest(reviews)
    return opened


def settings_with(folder: Path, old: str, new: str) -> None:
    path = folder / "querist.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_simulated_run_asks_trains_and_measures_each_round(project: Project) -> None:
    outcome = project.run(rounds=3, oracle="label")
    assert (outcome.status, outcome.round) == ("done", 3)
    table = project.status()["rounds"]
    assert [row["asked"] for row in table] == [20, 10, 10, 10]
    assert [row["labels"] for row in table] == [20, 30, 40, 50]
    assert all(row["low"] <= row["value"] <= row["high"] for row in table)
    assert table[-1]["value"] > 0.8


def test_everything_about_a_query_is_on_record(project: Project) -> None:
    project.run(rounds=1, oracle="label")
    found = project.show_round(1)
    query = found["queries"][0]
    assert query["rank"] == 1
    assert set(query["parts"]) == {"entropy", "margin"}
    assert query["strategy"] == "kmeans"
    assert query["model_version"] == project.show_round(0)["models"][0]["version"]
    assert query["at"].startswith("2026-01-01T")
    assert query["annotations"][0]["annotator"] == "oracle:label"
    assert sum(query["prediction"].values()) == pytest.approx(1, abs=1e-3)
    assert found["thresholds"], "a round records the thresholds it used"
    assert [s["name"] for s in found["steps"]] == [
        "uncertainty_scoring",
        "query_strategy",
        "human_labeling",
        "retraining",
        "evaluation",
    ]


def test_the_same_seed_gives_the_same_record(folder: Path, reviews: Path, tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        copy = tmp_path / name
        copy.mkdir()
        (copy / "querist.toml").write_text((folder / "querist.toml").read_text())
        project = Project(copy)
        project.ingest(reviews)
        project.run(rounds=2, oracle="label")
        digests.append(project.digest())
    assert digests[0] == digests[1]


def test_running_again_after_the_end_changes_nothing(project: Project) -> None:
    project.run(rounds=2, oracle="label")
    before = project.digest()
    assert project.run(rounds=2, oracle="label").status == "done"
    assert project.digest() == before


def test_more_rounds_go_on_from_where_it_stood(project: Project) -> None:
    project.run(rounds=1, oracle="label")
    first = project.show_round(1)["queries"]
    project.run(rounds=2, oracle="label")
    assert project.show_round(1)["queries"] == first
    assert len(project.status()["rounds"]) == 3


def test_without_an_oracle_it_waits_and_goes_on_after_the_import(
    folder: Path, tmp_path: Path, make_reviews: Make
) -> None:
    settings_with(folder, 'label = "label"\n', 'classes = ["neg", "pos"]\n')
    source = make_reviews(tmp_path / "reviews.csv")
    truth = {row["id"]: row["label"] for row in csv.DictReader(source.open())}
    project = Project(folder)
    project.ingest(source)
    outcome = project.run()
    assert (outcome.status, outcome.round, outcome.missing) == ("waiting", 0, 20)
    assert project.status()["state"] == "waiting"
    assert project.run().missing == 20, "asking again changes nothing"

    batch = tmp_path / "batch.csv"
    assert project.export_labels(batch) == 20
    rows = list(csv.DictReader(batch.open()))
    for row in rows[:5]:
        row["label"] = truth[row["id"]]
    write_rows(batch, rows)
    assert project.import_labels(batch) == {"read": 20, "added": 5, "empty": 15, "unchanged": 0}
    assert project.run().missing == 15

    for row in rows[5:]:
        row["label"] = truth[row["id"]]
    rows[-1]["label"], rows[-1]["skip"] = "", "yes"
    write_rows(batch, rows)
    assert project.import_labels(batch, annotator="ada")["added"] == 20
    outcome = project.run()
    assert (outcome.status, outcome.round, outcome.missing) == ("waiting", 1, 10)
    assert project.status()["rounds"][0]["labels"] == 19, "one was skipped"
    assert any("no labeled holdout" in w for w in project.status()["rounds"][0]["warnings"])


def write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_people_can_label_a_random_holdout_for_evaluation(folder: Path, tmp_path: Path, make_reviews: Make) -> None:
    settings_with(folder, 'label = "label"\n', 'classes = ["neg", "pos"]\n')
    source = make_reviews(tmp_path / "reviews.csv")
    truth = {row["id"]: row["label"] for row in csv.DictReader(source.open())}
    project = Project(folder)
    project.ingest(source)
    project.run()
    for holdout in (30, None):
        batch = tmp_path / "batch.jsonl"
        project.export_labels(batch, holdout=holdout)
        rows = [json.loads(line) for line in batch.read_text().splitlines()]
        batch.write_text("".join(json.dumps({"id": r["id"], "label": truth[r["id"]]}) + "\n" for r in rows))
        assert project.import_labels(batch, holdout=holdout is not None)["added"] == len(rows)
    project.run()
    found = project.show_round(0)
    assert found["metrics"]["accuracy"]["n_items"] == 30
    assert found["models"][0]["n_labels"] == 20, "holdout labels never train"


def test_labels_that_came_with_the_data_are_free_and_used_first(
    folder: Path, tmp_path: Path, make_reviews: Make
) -> None:
    source = make_reviews(tmp_path / "reviews.csv")
    rows = list(csv.DictReader(source.open()))
    for i, row in enumerate(rows):
        if i >= 60:
            row["label"] = ""
    write_rows(source, rows)
    project = Project(folder)
    project.ingest(source)
    outcome = project.run()
    assert (outcome.status, outcome.round) == ("waiting", 1), "60 labels are more than the seed set of 20"
    known = project.show_round(0)["models"][0]["n_labels"]
    assert 40 <= known <= 60
    asked = {q["id"] for q in project.show_round(1)["queries"]}
    assert not asked & {row["id"] for row in rows[:60]}


def test_a_label_on_a_duplicate_counts_for_its_group(folder: Path, tmp_path: Path, make_reviews: Make) -> None:
    source = make_reviews(tmp_path / "reviews.csv", 100)
    rows = list(csv.DictReader(source.open()))
    labeled = [{**row, "id": f"copy-{row['id']}", "text": row["text"].upper()} for row in rows]
    write_rows(source, [{**row, "label": ""} for row in rows] + labeled[:60])
    project = Project(folder)
    project.ingest(source)
    project.run()
    round_0 = project.show_round(0)
    assert 35 <= round_0["models"][0]["n_labels"] <= 60, "the copies are labeled, their first forms are used"
    assert not {q["id"] for q in project.show_round(1)["queries"]} & {row["id"] for row in rows[:60]}


def test_an_oracle_that_knows_no_class_is_refused(project: Project) -> None:
    with pytest.raises(SettingError, match=r"'product' holds none of the classes"):
        (project.folder / "querist.toml").write_text(
            (project.folder / "querist.toml").read_text().replace("[splits]", 'classes = ["neg", "pos"]\n[splits]')
        )
        Project(project.folder).run(oracle="product")


def test_the_goal_ends_the_loop_only_with_its_lower_bound(folder: Path, reviews: Path) -> None:
    settings_with(folder, 'metric = "accuracy"', 'metric = "accuracy"\ngoal = 0.6')
    project = Project(folder)
    project.ingest(reviews)
    outcome = project.run(oracle="label")
    assert outcome.status == "stopped"
    assert "goal" in outcome.reason
    last = project.status()["rounds"][-1]
    assert last["low"] >= 0.6


@pytest.mark.parametrize(
    ("budget", "labels"),
    [
        ("budget_labels = 45", 45),
        ("budget_money = 4.3\ncost_per_label = 0.1", 43),
        ("budget_hours = 0.1\nseconds_per_label = 10", 36),
    ],
)
def test_a_spent_budget_ends_the_loop_and_says_which(folder: Path, reviews: Path, budget: str, labels: int) -> None:
    settings_with(folder, 'metric = "accuracy"', f'metric = "accuracy"\n{budget}')
    project = Project(folder)
    project.ingest(reviews)
    outcome = project.run(oracle="label")
    assert outcome.status == "stopped"
    assert budget.split("_")[1].split(" ")[0] in outcome.reason
    assert project.status()["labels_asked"] == labels
    assert project.run(oracle="label").status == "stopped"


def test_a_pool_whose_labels_all_came_with_the_data_leaves_nothing_to_ask(project: Project) -> None:
    project.run(rounds=1, oracle="label")
    outcome = project.run()
    assert outcome.status == "stopped"
    assert "no item is left to ask" in outcome.reason
    assert "--oracle" in outcome.reason


def test_a_pool_that_is_used_up_ends_the_loop(folder: Path, tmp_path: Path, make_reviews: Make) -> None:
    project = Project(folder)
    project.ingest(make_reviews(tmp_path / "few.csv", 60))
    outcome = project.run(oracle="label", rounds=50)
    assert outcome.status == "stopped"
    assert "pool" in outcome.reason
    with project.ledger.begin() as tx:
        items = [q.item for q in list_queries(tx)]
    assert len(items) == len(set(items))


def test_a_holdout_label_cannot_enter_the_loop(project: Project, tmp_path: Path) -> None:
    snapshot = project.snapshot
    test_item = snapshot.take(np.flatnonzero(snapshot.splits() == TEST)[:1], ["id"])["id"][0].as_py()
    pool_item = snapshot.take(np.flatnonzero(snapshot.splits() == POOL)[:1], ["id"])["id"][0].as_py()
    file = tmp_path / "labels.csv"
    file.write_text(f"id,label\n{pool_item},pos\n{test_item},pos\n")
    with pytest.raises(HoldoutError, match=f"line 3: item '{test_item}' is in the test split.*Nothing was imported"):
        project.import_labels(file)
    file.write_text(f"id,label\n{pool_item},pos\n")
    with pytest.raises(HoldoutError, match="in the pool split"):
        project.import_labels(file, holdout=True)
    with project.ledger.begin() as tx:
        assert list_annotations(tx) == []


def test_a_bad_label_file_names_every_fault_and_imports_nothing(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    pool_item = project.snapshot.take(np.flatnonzero(project.snapshot.splits() == POOL)[:1], ["id"])["id"][0].as_py()
    file.write_text(f"id,label\n{pool_item},pos\nnobody,pos\n{pool_item},great\n")
    with pytest.raises(DataError, match=r"line 3: no item has the id 'nobody'; line 4: label 'great' is not among"):
        project.import_labels(file)
    file.write_text(f"name,label\n{pool_item},pos\n")
    with pytest.raises(DataError, match="no 'id' among the columns"):
        project.import_labels(file)
    with pytest.raises(DataError, match="does not exist"):
        project.import_labels(tmp_path / "none.csv")
    file.write_text(f"id,label,seconds\n{pool_item},pos,fast\n")
    with pytest.raises(DataError, match="seconds = 'fast' is not a number"):
        project.import_labels(file)
    file.write_text(f"id,label,at\n{pool_item},pos,yesterday\n")
    with pytest.raises(DataError, match="at = 'yesterday' is no time"):
        project.import_labels(file)
    sheet = tmp_path / "labels.xlsx"
    sheet.touch()
    with pytest.raises(SettingError, match=r"\.csv or \.jsonl"):
        project.import_labels(sheet)
    with project.ledger.begin() as tx:
        assert list_annotations(tx) == []


def test_a_changed_mind_supersedes_and_the_old_answer_stays_on_record(project: Project, tmp_path: Path) -> None:
    item = project.snapshot.take(np.flatnonzero(project.snapshot.splits() == POOL)[:1], ["id"])["id"][0].as_py()
    file = tmp_path / "labels.csv"
    for label in ("pos", "neg", "pos"):
        file.write_text(f"id,label\n{item},{label}\n")
        assert project.import_labels(file, annotator="ada")["added"] == 1
        assert project.import_labels(file, annotator="ada")["unchanged"] == 1
    with project.ledger.begin() as tx:
        found = list_annotations(tx)
    assert [a.label for a in found] == ["pos", "neg", "pos"]
    assert [a.supersedes for a in found] == [None, found[0].id, found[1].id]


def test_one_annotation_id_cannot_stand_for_two_answers(project: Project, tmp_path: Path) -> None:
    where = np.flatnonzero(project.snapshot.splits() == POOL)[:2]
    one, two = project.snapshot.take(where, ["id"])["id"].to_pylist()
    file = tmp_path / "labels.csv"
    file.write_text(f"id,label,annotation_id\n{one},pos,a1\n{two},pos,a1\n")
    with pytest.raises(DataError, match="line 3: annotation_id 'a1' stands for another answer"):
        project.import_labels(file)
    file.write_text(f"id,label,annotation_id\n{one},pos,a1\n")
    assert project.import_labels(file)["added"] == 1
    assert project.import_labels(file)["unchanged"] == 1


def test_a_metric_of_no_class_is_refused_before_anything_is_asked(folder: Path, reviews: Path) -> None:
    settings_with(folder, 'metric = "accuracy"', 'metric = "recall:positive"')
    project = Project(folder)
    project.ingest(reviews)
    with pytest.raises(SettingError, match="positive"):
        project.run(oracle="label")
    assert project.status()["rounds"] == []


def test_text_of_an_item_cannot_become_a_formula(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "evil.csv"
    rows = [[f"e{i}", f"=HYPERLINK({i}) some words {i}", "pos" if i % 2 else "neg", "@sum"] for i in range(80)]
    with source.open("w", newline="") as file:
        csv.writer(file).writerows([["id", "text", "label", "product"], *rows])
    project = Project(folder)
    project.ingest(source)
    project.run(rounds=0, oracle="label")
    batch = tmp_path / "batch.csv"
    project.export_labels(batch)
    for row in csv.DictReader(batch.open()):
        assert row["text"].startswith("'=")
        assert row["context.product"] == "'@sum"


def test_exported_images_are_files_beside_the_table(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="the extra images is not installed")
    project = Project.init(tmp_path / "scans", "image")
    rng = np.random.default_rng(0)
    for i in range(60):
        folder = tmp_path / "raw" / ("dark" if i % 2 else "light")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 120, (12, 12)) + (0 if i % 2 else 120)
        image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")
    project.ingest(tmp_path / "raw")
    project.run(rounds=0, oracle="label")
    project.export_labels(tmp_path / "out" / "batch.csv")
    for row in csv.DictReader((tmp_path / "out" / "batch.csv").open()):
        assert image.open(tmp_path / "out" / row["image"]).size == (12, 12)
        assert row["label"] in ("dark", "light")


def test_new_data_joins_the_pool_without_moving_the_old(project: Project, tmp_path: Path, make_reviews: Make) -> None:
    project.run(rounds=1, oracle="label")
    old = project.snapshot
    more = project.ingest(make_reviews(tmp_path / "more.csv", 100, first=400))
    new = project.snapshot
    assert more.added == 100
    assert new.parent == old.id
    assert (new.splits()[: old.n_items] == old.splits()).all()
    project.run(rounds=2, oracle="label")
    assert len(project.status()["rounds"]) == 3
    assert project.ingest(tmp_path / "more.csv").added == 0, "the same file again adds nothing"


def test_retraining_waits_for_enough_labels(folder: Path, reviews: Path) -> None:
    settings_with(folder, "[query]", '[retraining]\nwhen = "labels"\nmin_labels = 20\n[query]')
    project = Project(folder)
    project.ingest(reviews)
    project.run(rounds=4, oracle="label")
    with project.ledger.begin() as tx:
        assert [m.n_labels for m in list_models(tx)] == [20, 40, 60]
        plans = [s.result["plan"] for s in list_steps(tx) if s.name == "retraining"]
    assert plans == ["none", "full", "none", "full"]


def test_a_plateau_of_the_validation_loss_brings_a_full_retraining(folder: Path, reviews: Path) -> None:
    settings_with(folder, "[query]", '[retraining]\nwhen = "plateau"\npatience = 1\nmin_improvement = 0.9\n[query]')
    project = Project(folder)
    project.ingest(reviews)
    project.run(rounds=3, oracle="label")
    with project.ledger.begin() as tx:
        plans = [s.result["plan"] for s in list_steps(tx) if s.name == "retraining"]
        reasons = [s.result["reason"] for s in list_steps(tx) if s.name == "retraining"]
    assert "full" in plans
    assert all(reasons)


def test_two_processes_do_not_work_on_one_project(project: Project) -> None:
    with project._lock(), pytest.raises(Busy, match="another process"):
        project.run(rounds=1, oracle="label")


def test_clear_errors_before_anything_runs(folder: Path, reviews: Path, tmp_path: Path) -> None:
    project = Project(folder)
    with pytest.raises(DataError, match="querist ingest"):
        project.run(oracle="label")
    with pytest.raises(DataError, match=r"nowhere\.csv"):
        project.ingest(tmp_path / "nowhere.csv")
    with pytest.raises(SettingError, match=r"data\.source"):
        project.ingest()
    project.ingest(reviews)
    with pytest.raises(UnknownName, match="'stars'"):
        project.run(oracle="stars")
    with pytest.raises(LedgerError, match="no round 3"):
        project.show_round(3)
    with pytest.raises(DataError, match="querist init"):
        Project(tmp_path / "nothing")


def test_the_summary_says_what_the_record_says(project: Project) -> None:
    project.run(rounds=1, oracle="label")
    text = project.write_summary().read_text()
    row = project.status()["rounds"][1]
    assert f"| 1 | kmeans | 10 | 30 | {row['value']:.3f} |" in text
    assert project.digest()[:16] in text


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_the_loop_runs_on_both_databases(
    folder: Path, reviews: Path, request: pytest.FixtureRequest, database: str
) -> None:
    if database == "postgres":
        (folder / "querist.toml").open("a").write(f'\n[storage]\nledger = "{request.getfixturevalue("postgres")}"\n')
    project = Project(folder)
    project.ingest(reviews)
    assert project.run(rounds=1, oracle="label").status == "done"
    assert [row["asked"] for row in project.status()["rounds"]] == [20, 10]
