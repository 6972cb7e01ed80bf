"""What was answered goes out in five formats and comes back as it was."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from querist.cli import cli
from querist.core.errors import DataError, HoldoutError, NoSuchRound, SettingError
from querist.pipeline.exchange.exports import answer_rows
from querist.pipeline.exchange.label_files import read_rows
from querist.pipeline.project import Project
from querist.snapshots.snapshot import TEST
from querist.store.annotations import list_annotations

Say = Callable[..., str]
NAMES = ["answers.csv", "answers.tsv", "answers.jsonl", "answers.parquet", "answers.json", "answers"]


def test_a_row_tells_who_when_why_and_what_all_say_together(waiting: Project, asked: list[str], say: Say) -> None:
    first = say(asked[0], "pos", "ada", seconds=2.5, note="sure", details={"flag": True})
    say(asked[0], "neg", "bob")
    say(asked[0], "neg", "cyd")
    row = answer_rows(waiting)[0]
    expected = {"id": asked[0], "label": "pos", "annotator": "ada", "seconds": 2.5, "note": "sure", "skip": ""}
    expected |= {"resolved": "neg", "annotation_id": first, "split": "pool", "round": 0, "rank": 1}
    expected |= {"strategy": "seed_set:auto", "details": '{"flag": true}', "model_version": None}
    assert {name: row[name] for name in expected} == expected
    assert row["at"].startswith("2026-01-01T")
    assert {"text", "context.product"} <= set(row)


def test_an_undone_or_corrected_answer_is_never_exported(
    waiting: Project, asked: list[str], say: Say, tmp_path: Path
) -> None:
    undone = say(asked[0], "pos")
    say(asked[0], None, kind="undo", supersedes=undone)
    wrong = say(asked[1], "pos")
    say(asked[1], "neg", supersedes=wrong)
    assert [(row["id"], row["label"]) for row in answer_rows(waiting)] == [(asked[1], "neg")]
    waiting.export_labels(tmp_path / "batch.csv")
    rows = list(csv.DictReader((tmp_path / "batch.csv").open()))
    assert [row["label"] for row in rows[:2]] == ["", "neg"]
    assert rows[0]["skip"] == "", "an undo is no skip"


def test_an_undone_answer_can_be_given_again_and_does_not_come_back_by_itself(
    waiting: Project, asked: list[str], say: Say, tmp_path: Path
) -> None:
    undone = say(asked[0], "pos")
    waiting.export_labels(tmp_path / "before.csv", answers=True)
    say(asked[0], None, kind="undo", supersedes=undone)
    assert waiting.import_labels(tmp_path / "before.csv")["unchanged"] == 1, "its id was taken back"
    assert answer_rows(waiting, unanswered=False) == []
    again = tmp_path / "again.csv"
    again.write_text(f"id,label,annotator\n{asked[0]},pos,ada\n")
    assert waiting.import_labels(again)["unchanged"] == 1, "without an id it is the answer that was taken back"
    again.write_text(f"id,label,annotator,at\n{asked[0]},pos,ada,2099-01-01T00:00:00+00:00\n")
    assert waiting.import_labels(again)["added"] == 1, "it was said after the undo"
    assert [row["label"] for row in answer_rows(waiting)] == ["pos"]


@pytest.mark.parametrize("name", NAMES)
def test_what_was_exported_is_imported_into_another_project_as_it_was(
    waiting: Project, asked: list[str], say: Say, tmp_path: Path, name: str
) -> None:
    say(asked[0], "pos", "ada", seconds=2.5, note="=1+1")
    say(asked[0], "neg", "@bob")
    say(asked[1], None, "ada", details={"reason": "unsure"})
    rows = answer_rows(waiting)
    assert waiting.export_labels(tmp_path / "out" / name, answers=True, format=None if "." in name else "datasets") in (
        3,
        20,
    )
    assert waiting.import_labels(tmp_path / "out" / name)["added"] == 0, "all is known here"
    fresh = twin(waiting, tmp_path / "twin")
    assert fresh.import_labels(tmp_path / "out" / name)["added"] == 3
    kept = ["id", "label", "annotator", "seconds", "skip", "at", "annotation_id", "split", "note", "details"]
    got = sorted(answer_rows(fresh), key=lambda row: row["annotation_id"])
    assert [[row[k] for k in kept] for row in got] == [[row[k] for k in kept] for row in rows]


def twin(project: Project, folder: Path) -> Project:
    """The same data, asked of nobody yet."""
    folder.mkdir()
    (folder / "querist.toml").write_text((project.folder / "querist.toml").read_text())
    made = Project(folder, clock=project.clock)
    made.ingest(project.folder.parent / "reviews.csv")
    return made


def test_a_round_can_be_exported_alone(waiting: Project, asked: list[str], say: Say, tmp_path: Path) -> None:
    say(asked[0], "pos")
    assert waiting.export_labels(tmp_path / "a.parquet", round=0) == 1
    with pytest.raises(NoSuchRound, match="no round 7"):
        waiting.export_labels(tmp_path / "a.parquet", round=7)


def test_nothing_answered_is_said(waiting: Project, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no answer to export yet"):
        waiting.export_labels(tmp_path / "a.csv", answers=True)
    with pytest.raises(SettingError, match="take one"):
        waiting.export_labels(tmp_path / "a.csv", answers=True, holdout=3)
    with pytest.raises(SettingError, match="csv or jsonl, not as parquet"):
        waiting.export_labels(tmp_path / "a.parquet", holdout=3)


def test_answers_of_the_holdout_are_exported_with_their_items(waiting: Project, tmp_path: Path) -> None:
    snapshot = waiting.snapshot
    item = snapshot.take(np.flatnonzero(snapshot.splits() == TEST)[:1], ["id"])["id"][0].as_py()
    (tmp_path / "h.csv").write_text(f"id,label\n{item},pos\n")
    waiting.import_labels(tmp_path / "h.csv", holdout=True)
    (row,) = answer_rows(waiting)
    assert (row["split"], row["round"], row["text"].split()[-1]) == ("test", None, item.removeprefix("r"))
    waiting.export_labels(tmp_path / "all.jsonl", answers=True)
    with pytest.raises(HoldoutError, match=r"line 1: item .* is in the test split"):
        twin(waiting, tmp_path / "twin").import_labels(tmp_path / "all.jsonl")


def test_label_studio_gets_tasks_with_predictions_and_those_that_are_open(
    waiting: Project, asked: list[str], say: Say, tmp_path: Path
) -> None:
    say(asked[0], "pos", seconds=1.5, note="<b>irony</b>", details={"flag": True})
    assert waiting.export_labels(tmp_path / "tasks.json") == 20
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    assert [task["data"]["querist_id"] for task in tasks] == asked
    assert [len(task["annotations"]) for task in tasks] == [1, *[0] * 19]
    (annotation,) = tasks[0]["annotations"]
    assert annotation["result"][0]["value"] == {"choices": ["pos"]}
    assert (annotation["lead_time"], annotation["was_cancelled"]) == (1.5, False)
    assert (annotation["note"], annotation["details"]) == ("<b>irony</b>", {"flag": True})
    assert [task["data"].get("querist_resolved") for task in tasks[:2]] == ["pos", None]
    assert (tasks[0]["data"]["querist_round"], tasks[0]["data"]["context"].keys()) == (0, {"product"})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"result": [{"value": {"choices": ["great"]}}]}, "task 2: label 'great' is not"),
        ({"result": [{"value": {"choices": ["pos", "neg"]}}]}, "task 2: 2 choices in one annotation"),
        ({"lead_time": -1}, "task 2: seconds = -1"),
    ],
)
def test_label_studio_tasks_that_cannot_be_taken_are_named_and_nothing_is(
    waiting: Project, asked: list[str], say: Say, tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    file = tmp_path / "tasks.json"
    one = {"result": [{"value": {"choices": ["pos"]}}], "was_cancelled": False, "completed_by": 7, "lead_time": 2.0}
    tasks = [{"data": {"querist_id": item}, "annotations": [dict(one)]} for item in asked[:2]]
    tasks[1]["annotations"] = [{**one, **changed}]
    file.write_text(json.dumps(tasks))
    with pytest.raises(DataError, match=said):
        waiting.import_labels(file)
    assert answer_rows(waiting) == []
    tasks[1]["annotations"] = [one]
    file.write_text(json.dumps(tasks))
    assert waiting.import_labels(file)["added"] == 2
    assert {row["annotator"] for row in answer_rows(waiting)} == {"label-studio:7"}


@pytest.mark.parametrize(
    "text",
    ["{}", "[1]", '[{"data": {}}]', '[{"data": {"querist_id": "x"}, "annotations": [3]}]', "[" * 100_000, "\udcff"],
)
def test_other_json_is_one_sentence(waiting: Project, tmp_path: Path, text: str) -> None:
    (tmp_path / "tasks.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(DataError, match=r"tasks\.json"):
        waiting.import_labels(tmp_path / "tasks.json")


def test_a_damaged_parquet_file_or_an_empty_folder_is_one_sentence(waiting: Project, tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        waiting.import_labels(tmp_path / "a.parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no Parquet file"):
        waiting.import_labels(tmp_path / "empty")


def test_faults_in_parquet_are_named_by_row(waiting: Project, asked: list[str], say: Say, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"id": [asked[0], "nobody"], "label": ["pos", "pos"]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="row 2: no item has the id 'nobody'"):
        waiting.import_labels(tmp_path / "a.parquet")
    with waiting.ledger.begin() as tx:
        assert list_annotations(tx) == []


def test_text_that_no_database_can_hold_is_refused(waiting: Project, asked: list[str], tmp_path: Path) -> None:
    for note in ("\0", "\ud800"):
        (tmp_path / "a.jsonl").write_text(json.dumps({"id": asked[0], "label": "pos", "note": note}))
        with pytest.raises(DataError, match="line 1: note holds characters"):
            waiting.import_labels(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "\ud800", "label": "pos"}))
    with pytest.raises(DataError, match="line 1: no item has the id"):
        waiting.import_labels(tmp_path / "a.jsonl")


def test_the_dataset_names_classes_and_splits(waiting: Project, asked: list[str], say: Say, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    say(asked[0], "pos")
    say(asked[1], None)
    waiting.export_labels(tmp_path / "set", answers=True, format="datasets")
    card = (tmp_path / "set" / "README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    assert head["configs"][0]["data_files"] == [{"split": "train", "path": "data/train-*.parquet"}]
    label = next(f for f in head["dataset_info"]["features"] if f["name"] == "label")
    assert label["dtype"] == {"class_label": {"names": {"0": "neg", "1": "pos"}}}
    table = pq.read_table(tmp_path / "set" / "data" / "train-00000-of-00001.parquet")
    assert table["label"].to_pylist() == [1, None]
    assert [row["label"] for _, row in read_rows(tmp_path / "set")] == ["pos", None]


def test_the_library_datasets_reads_the_folder(
    waiting: Project, asked: list[str], say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="the library datasets is not installed")
    say(asked[0], "pos")
    say(asked[1], None)
    waiting.export_labels(tmp_path / "set", answers=True, format="datasets")
    found = datasets.load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))["train"]
    assert found.features["label"].names == ["neg", "pos"]
    assert found["label"][:] == [1, None]


def test_the_command_says_what_it_wrote(waiting: Project, asked: list[str], say: Say, tmp_path: Path) -> None:
    say(asked[0], "pos")

    def run(*words: str) -> str:
        done = CliRunner().invoke(cli, ["labels", "export", *words, "--project", str(waiting.folder)])
        assert done.exit_code == 0, done.output
        return done.output

    assert run(str(tmp_path / "a.csv")).startswith("wrote 20 items")
    assert run(str(tmp_path / "a.csv"), "--all") == f"wrote 1 answers to {tmp_path}/a.csv\n"
    assert run(str(tmp_path / "set"), "--all", "--format", "datasets").startswith("wrote 1 answers")
    assert run(str(tmp_path / "a.json"), "--all").startswith("wrote 20 tasks")


def test_a_folder_of_other_files_is_not_touched(waiting: Project, asked: list[str], say: Say, tmp_path: Path) -> None:
    say(asked[0], "pos")
    (tmp_path / "mine" / "data").mkdir(parents=True)
    (tmp_path / "mine" / "data" / "raw.parquet").write_bytes(b"mine")
    (tmp_path / "mine" / "README.md").write_text("mine")
    with pytest.raises(DataError, match="mine holds other files; name a folder that is new or empty"):
        waiting.export_labels(tmp_path / "mine", answers=True, format="datasets")
    assert (tmp_path / "mine" / "data" / "raw.parquet").read_bytes() == b"mine"
    for label in ("neg", "pos"):
        say(asked[1], label)
        assert waiting.export_labels(tmp_path / "set", answers=True, format="datasets") > 1, "its own is written again"
    assert len(list(read_rows(tmp_path / "set"))) == 3
