"""Labels in and out: files, people, holdout, corrections."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from querist.core.errors import PoolExhausted, SettingError
from querist.pipeline.project import Project
from querist.snapshots.snapshot import POOL
from querist.store.annotations import list_annotations

Make = Callable[..., Path]

Change = Callable[[Path, str, str], None]

WriteRows = Callable[[Path, list[dict[str, str]]], None]


def test_without_an_oracle_it_waits_and_goes_on_after_the_import(
    folder: Path, tmp_path: Path, make_reviews: Make, change: Change, write_rows: WriteRows
) -> None:
    change(folder, 'label = "label"\n', 'classes = ["neg", "pos"]\n')
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


def test_people_can_label_a_random_holdout_for_evaluation(
    folder: Path, tmp_path: Path, make_reviews: Make, change: Change
) -> None:
    change(folder, 'label = "label"\n', 'classes = ["neg", "pos"]\n')
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
    folder: Path, tmp_path: Path, make_reviews: Make, write_rows: WriteRows
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


def test_a_label_on_a_duplicate_counts_for_its_group(
    folder: Path, tmp_path: Path, make_reviews: Make, write_rows: WriteRows
) -> None:
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


def test_exported_images_are_files_beside_the_table(tmp_path: Path, change: Change) -> None:
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
    change(tmp_path / "scans", 'label = "label"', 'classes = ["dark", "light"]')
    Project(tmp_path / "scans").export_labels(tmp_path / "out" / "holdout.jsonl", holdout=1)
    row = json.loads((tmp_path / "out" / "holdout.jsonl").read_text())
    assert image.open(tmp_path / "out" / row["image"]).size == (12, 12)


def test_a_seed_set_that_was_skipped_can_still_be_labeled(
    folder: Path, tmp_path: Path, make_reviews: Make, change: Change, write_rows: WriteRows
) -> None:
    change(folder, 'label = "label"\n', 'classes = ["neg", "pos"]\n')
    project = Project(folder)
    project.ingest(make_reviews(tmp_path / "reviews.csv"))
    project.run()
    batch = tmp_path / "batch.csv"
    project.export_labels(batch)
    rows = list(csv.DictReader(batch.open()))
    write_rows(batch, [{**row, "skip": "yes"} for row in rows])
    project.import_labels(batch, annotator="ada")
    assert project.run().status == "waiting", "a model needs a label"
    write_rows(batch, [{**row, "label": ["pos", "neg"][i % 2], "skip": "no"} for i, row in enumerate(rows)])
    project.import_labels(batch, annotator="ada")
    assert project.run().round == 1


def test_a_label_of_a_duplicate_goes_to_the_item_in_use(
    folder: Path, tmp_path: Path, make_reviews: Make, write_rows: WriteRows
) -> None:
    source = make_reviews(tmp_path / "reviews.csv", 100)
    rows = list(csv.DictReader(source.open()))
    twins = [{**row, "id": f"twin-{row['id']}", "text": row["text"].upper()} for row in rows]
    write_rows(source, [{**row, "label": ""} for row in [*rows, *twins]])
    (folder / "querist.toml").write_text(
        (folder / "querist.toml").read_text().replace("[splits]", 'classes = ["neg", "pos"]\n[splits]')
    )
    project = Project(folder)
    project.ingest(source)
    snapshot = project.snapshot
    pool = snapshot.take(np.flatnonzero(snapshot.splits() == POOL), ["id"])["id"].to_pylist()
    twin = next(item for item in pool if item.startswith("twin-"))
    file = tmp_path / "labels.csv"
    file.write_text(f"id,label\n{twin},pos\n")
    project.import_labels(file)
    with project.ledger.begin() as tx:
        assert [a.item for a in list_annotations(tx)] == [twin.removeprefix("twin-")]


def test_a_holdout_row_lends_its_label_to_no_pool_item(
    folder: Path, tmp_path: Path, change: Change, write_rows: WriteRows
) -> None:
    change(folder, 'label = "label"\n', 'label = "label"\nsplit = "split"\nclasses = ["neg", "pos"]\n')
    words = [f"some words number {chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(60)]
    first = [{"id": f"a{i}", "text": t, "label": "", "product": "p", "split": "pool"} for i, t in enumerate(words)]
    write_rows(tmp_path / "one.csv", [*first, {**first[0], "id": "t", "text": "another text", "split": "test"}])
    again = [{**row, "id": f"b{i}", "label": "pos", "split": "test"} for i, row in enumerate(first[:10])]
    write_rows(tmp_path / "two.csv", again)
    project = Project(folder)
    project.ingest(tmp_path / "one.csv")
    project.ingest(tmp_path / "two.csv")
    codes, _ = project.snapshot.labels("label", ("neg", "pos"))
    assert (codes[project.snapshot.splits() == POOL] == -1).all()


def test_people_can_label_validation_items_that_calibrate_the_model(
    folder: Path, tmp_path: Path, make_reviews: Make, change: Change
) -> None:
    change(folder, 'label = "label"\n', 'classes = ["neg", "pos"]\n')
    change(folder, "test = 0.2\n", "test = 0.2\nvalidation = 0.3\n")
    source = make_reviews(tmp_path / "reviews.csv")
    truth = {row["id"]: row["label"] for row in csv.DictReader(source.open())}
    project = Project(folder)
    project.ingest(source)
    project.run()
    for options in ({}, {"holdout": 60, "split": "validation"}):
        file = tmp_path / "batch.jsonl"
        project.export_labels(file, **options)
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        file.write_text("".join(json.dumps({"id": r["id"], "label": truth[r["id"]]}) + "\n" for r in rows))
        assert project.import_labels(file, holdout="holdout" in options)["added"] == len(rows)
    with project.ledger.begin() as tx:
        assert len(list_annotations(tx, split="validation")) == 60
    project.run()
    model = project.show_round(0)["models"][0]
    assert model["n_labels"] == 20, "validation labels never train"
    assert model["validation_loss"] is not None
    with pytest.raises(PoolExhausted, match="asked for 300 validation items but only"):
        project.export_labels(file, holdout=300, split="validation")
    with pytest.raises(SettingError, match="split = 'pool' must be validation or test"):
        project.export_labels(file, holdout=3, split="pool")
    with pytest.raises(SettingError, match="goes with holdout"):
        project.export_labels(file, split="validation")
