"""The loop through Project: simulated, with people, holdout, budgets, resume."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from querist.core.errors import Busy, DataError, LedgerError, SettingError, SnapshotCorrupt, UnknownName
from querist.pipeline.project import Project
from querist.snapshots.snapshot import POOL
from querist.store.annotations import effort
from querist.store.models import list_models
from querist.store.rounds import list_queries
from querist.store.steps import list_steps

Clock = Callable[[], datetime]
Make = Callable[..., Path]
Change = Callable[[Path, str, str], None]


def test_a_simulated_run_asks_trains_and_measures_each_round(project: Project) -> None:
    outcome = project.run(rounds=3, oracle="label")
    assert (outcome.status, outcome.round) == ("done", 3)
    table = project.status()["rounds"]
    assert [row["asked"] for row in table] == [20, 10, 10, 10]
    assert [row["labels"] for row in table] == [20, 30, 40, 50]
    assert all(row["low"] <= row["value"] <= row["high"] for row in table)
    assert table[-1]["value"] > 0.8


def test_a_seed_set_outside_the_advice_is_a_warning_from_the_first_moment(project: Project, change: Change) -> None:
    change(project.folder, "size = 20", "size = 100")
    asked = Project(project.folder)
    asked.run(rounds=0, until="asked", oracle="label")
    warned = "the seed set of 100 items is "
    assert [w.startswith(warned) for w in asked.status()["rounds"][0]["warnings"]] == [True]
    assert warned in asked.write_summary().read_text(encoding="utf-8").partition("## Warnings")[2]
    assert warned in asked.show_round(0)["warnings"][0]


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


def test_features_kept_in_memory_change_nothing(tmp_path: Path) -> None:
    """A run in one process holds features between rounds; runs of one round each read them anew. Past 80 % of the pool
    only the rest is predicted."""
    rng = np.random.default_rng(0)
    rows = ["a,b,label", *(f"{a:.4f},{b:.4f},{'yes' if a + b > 0 else 'no'}" for a, b in rng.normal(size=(150, 2)))]
    (tmp_path / "items.csv").write_text("\n".join(rows))
    digests = []
    for name, steps in (("at once", [6]), ("one by one", range(1, 7))):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "querist.toml").write_text(
            '[data]\nkind = "tabular"\nnumeric = ["a", "b"]\nlabel = "label"\n[seed_set]\nsize = 10\n'
            '[learner]\nname = "table-logistic"\n[query]\nstrategy = "kmeans"\nbatch_size = 15\n'
        )
        Project(folder).ingest(tmp_path / "items.csv")
        for rounds in steps:
            Project(folder).run(rounds=rounds, oracle="label")
        assert Project(folder).status()["labels_asked"] == 100
        digests.append(Project(folder).digest())
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


def test_an_oracle_that_knows_no_class_is_refused(project: Project) -> None:
    with pytest.raises(SettingError, match=r"'product' holds none of the classes"):
        (project.folder / "querist.toml").write_text(
            (project.folder / "querist.toml").read_text().replace("[splits]", 'classes = ["neg", "pos"]\n[splits]')
        )
        Project(project.folder).run(oracle="product")


def test_the_goal_ends_the_loop_only_with_its_lower_bound(folder: Path, reviews: Path, change: Change) -> None:
    change(folder, 'metric = "accuracy"', 'metric = "accuracy"\ngoal = 0.6')
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
def test_a_spent_budget_ends_the_loop_and_says_which(
    folder: Path, reviews: Path, budget: str, labels: int, change: Change
) -> None:
    change(folder, 'metric = "accuracy"', f'metric = "accuracy"\n{budget}')
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


def test_a_metric_of_no_class_is_refused_before_anything_is_asked(folder: Path, reviews: Path, change: Change) -> None:
    change(folder, 'metric = "accuracy"', 'metric = "recall:positive"')
    project = Project(folder)
    project.ingest(reviews)
    with pytest.raises(SettingError, match="positive"):
        project.run(oracle="label")
    assert project.status()["rounds"] == []


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


def test_what_went_to_quarantine_stays_counted_when_more_data_come(
    folder: Path, tmp_path: Path, make_reviews: Make
) -> None:
    project = Project(folder)
    for name, first in (("one.csv", 0), ("two.csv", 60)):
        source = make_reviews(tmp_path / name, 60, first=first)
        with source.open("a", encoding="utf-8") as file:
            file.write("shifted,a,b,c,d,e\n")
        project.ingest(source)
    data = project.status()["data"]
    assert (data["read"], data["added"], data["quarantined"], data["groups"]) == (122, 120, 2, 120)
    assert list(data["reasons"].values()) == [2]
    assert "122 rows read, 120 kept, 0 repeated, 2 in quarantine" in project.write_summary().read_text(encoding="utf-8")


def test_retraining_waits_for_enough_labels(folder: Path, reviews: Path, change: Change) -> None:
    change(folder, "[query]", '[retraining]\nwhen = "labels"\nmin_labels = 20\n[query]')
    project = Project(folder)
    project.ingest(reviews)
    project.run(rounds=4, oracle="label")
    with project.ledger.begin() as tx:
        assert [m.n_labels for m in list_models(tx)] == [20, 40, 60]
        plans = [s.result["plan"] for s in list_steps(tx) if s.name == "retraining"]
    assert plans == ["none", "full", "none", "full"]


def test_a_plateau_of_the_validation_loss_brings_a_full_retraining(folder: Path, reviews: Path, change: Change) -> None:
    change(folder, "[query]", '[retraining]\nwhen = "plateau"\npatience = 1\nmin_improvement = 0.9\n[query]')
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


def test_classes_are_known_by_name_whatever_their_order(folder: Path, reviews: Path, change: Change) -> None:
    change(folder, "[splits]", 'classes = ["neg", "pos"]\n[splits]')
    change(folder, "[query]", '[retraining]\nwhen = "labels"\nmin_labels = 1000\n[query]')
    Project(folder).ingest(reviews)
    Project(folder).run(rounds=1, oracle="label")
    change(folder, '["neg", "pos"]', '["pos", "neg"]')
    Project(folder).run(rounds=2, oracle="label")
    values = [row["value"] for row in Project(folder).status()["rounds"]]
    assert values[1] == values[2], "the same model on the same holdout"
    change(folder, '["pos", "neg"]', '["pos", "bad"]')
    with pytest.raises(SettingError, match="'neg' has been learned"):
        Project(folder).run(rounds=3, oracle="label")


def test_labels_of_an_open_round_are_used_before_a_deadline_stops_the_loop(
    folder: Path, tmp_path: Path, make_reviews: Make, change: Change, clock: Clock
) -> None:
    change(folder, 'label = "label"\n', 'classes = ["neg", "pos"]\n')
    source = make_reviews(tmp_path / "reviews.csv")
    truth = {row["id"]: row["label"] for row in csv.DictReader(source.open())}
    project = Project(folder, clock=clock)
    project.ingest(source)
    for _ in range(2):
        project.run()
        batch = tmp_path / "batch.jsonl"
        project.export_labels(batch)
        rows = [json.loads(line)["id"] for line in batch.read_text().splitlines()]
        batch.write_text("".join(json.dumps({"id": i, "label": truth[i]}) + "\n" for i in rows))
        project.import_labels(batch)
    change(folder, 'metric = "accuracy"', 'metric = "accuracy"\ndeadline = 2025-12-31')
    outcome = Project(folder, clock=clock).run()
    assert (outcome.status, outcome.round) == ("stopped", 1)
    assert project.status()["rounds"][1]["labels"] == 30


def test_a_correction_is_not_one_more_label(project: Project, tmp_path: Path) -> None:
    item = project.snapshot.take(np.flatnonzero(project.snapshot.splits() == POOL)[:1], ["id"])["id"][0].as_py()
    file = tmp_path / "labels.csv"
    for label in ("pos", "neg", "pos"):
        file.write_text(f"id,label\n{item},{label}\n")
        project.import_labels(file, annotator="ada")
    with project.ledger.begin() as tx:
        assert effort(tx).labels == 1


def test_a_changed_byte_of_a_shard_stops_whatever_reads_it(project: Project) -> None:
    shard = next((project.folder / "snapshots" / "objects").rglob("*.parquet"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.chmod(0o644)
    shard.write_bytes(data)
    with pytest.raises(SnapshotCorrupt, match="differs from its checksum"):
        Project(project.folder).run(rounds=1, oracle="label")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('metric = "accuracy"', 'metric = "accuracy"\ngoal = 85', "can never be met"),
        ("[learner.encoder_params]", "params = {CC = 1}\n[learner.encoder_params]", "'CC'"),
    ],
)
def test_what_can_never_work_is_refused_before_anyone_is_asked(
    folder: Path, reviews: Path, change: Change, old: str, new: str, said: str
) -> None:
    change(folder, old, new)
    project = Project(folder)
    project.ingest(reviews)
    with pytest.raises(SettingError, match=said):
        project.run(oracle="label")
    assert project.status()["rounds"] == []
