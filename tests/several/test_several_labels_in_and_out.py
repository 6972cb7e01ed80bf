"""Sets of labels through files, people and the API."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from querist.core.errors import DataError, SettingError, UnknownName
from querist.pipeline.human_labeling.agreement import agreement
from querist.pipeline.human_labeling.labeling import Answer, Desk
from querist.pipeline.human_labeling.review import cards, disputed, relabel_or_wait, rule
from querist.pipeline.project import Project
from querist.store.annotations import list_annotations
from querist.store.rounds import list_queries

Make = Callable[..., Project]
Topics = Callable[[str], list[str]]
TWO = "[labeling]\noverlap = 2"


def answer_all(project: Project, who: str, topics: Topics, *, wrong: int = 0) -> None:
    desk, left = Desk(project), wrong
    while tasks := desk.lease(who, "t", 100)["tasks"]:
        answers = []
        for task in tasks:
            names = [*topics(task["text"]), *(["rare"] if left > 0 else [])]
            left -= 1
            answers.append(Answer(f"{who}-{task['item']}", task["item"], ";".join(reversed(names)) or "(none)"))
        assert {r.status for r in desk.submit(who, answers)[0]} == {"stored"}


def labels_of(project: Project) -> dict[tuple[str, str], str | None]:
    with project.ledger.read() as tx:
        return {(a.item, a.annotator): a.label for a in list_annotations(tx)}


def test_rows_come_with_lists_and_odd_ones_go_to_quarantine(make: Make, tmp_path: Path) -> None:
    rows = [
        {"id": "x1", "text": "one", "topics": ["sport", "politics"], "paper": ""},
        {"id": "x2", "text": "two", "topics": [], "paper": ""},
        {"id": "x3", "text": "three", "topics": None, "paper": ""},
        {"id": "x4", "text": "four", "topics": ["a;b"], "paper": ""},
        {"id": "x5", "text": "five", "topics": '["rare"]', "paper": ""},
    ]
    file = tmp_path / "more.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    project = make()
    before = project.snapshot.n_items
    report = project.ingest(file)
    assert (report.added, report.quarantined) == (4, 1)
    assert "separates labels" in next(iter(report.reasons))
    assert project.classes() == ("economy", "politics", "rare", "sport")
    codes, names = project.snapshot.labels("label", project.classes(), project.settings.data.sets)
    assert [names[c] if c >= 0 else None for c in codes[before:]] == ["politics;sport", "(none)", None, "rare"]


@pytest.mark.parametrize("name", ["answers.csv", "answers.jsonl", "answers.parquet", "answers.json", "folder"])
def test_answers_go_out_and_come_back_the_same(make: Make, tmp_path: Path, topics: Topics, name: str) -> None:
    first = make("first", labeled=False)
    assert first.run().status == "waiting"
    answer_all(first, "ann", topics)
    desk = Desk(first)
    out = tmp_path / "out" / name
    out.parent.mkdir()
    first.export_labels(out, answers=True, format="datasets" if name == "folder" else None)
    second = make("second", labeled=False)
    second.run()
    found = second.import_labels(out)
    assert found["added"] == 20
    assert second.import_labels(out)["added"] == 0, "a repetition adds nothing"
    assert labels_of(second) == labels_of(first)
    assert any(";" in (label or "") for label in labels_of(second).values())
    assert "(none)" in labels_of(second).values()
    assert desk.sets is not None


@pytest.mark.parametrize("cell", [";", " ; ", "[null]", "[[]]", [""], '["a", ""]'])
def test_a_cell_that_names_no_label_is_nobodys_none(make: Make, tmp_path: Path, cell: str | list[str]) -> None:
    project, file = make(labeled=False), tmp_path / "labels.jsonl"
    project.run()
    with project.ledger.read() as tx:
        item = list_queries(tx, 0)[0].item
    file.write_text(json.dumps({"id": item, "label": cell}) + "\n")
    with pytest.raises(DataError, match="names no label"):
        project.import_labels(file)
    if isinstance(cell, str):
        desk = Desk(project)
        desk.lease("bob", "t", 20)
        assert desk.submit("bob", [Answer("bob-00001", item, cell)])[0][0].status == "refused"
    assert labels_of(project) == {}


def test_cells_that_name_no_label_are_no_classes(make: Make, tmp_path: Path) -> None:
    cells = [";", "[null]", [None], {"a": 1}, " ", "[]"]
    file = tmp_path / "more.jsonl"
    rows = [{"id": f"x{n}", "text": f"text {n}", "topics": cell, "paper": ";"} for n, cell in enumerate(cells)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    project = make()
    before, classes = project.snapshot.n_items, project.classes()
    report = project.ingest(file)
    assert (report.added, report.quarantined) == (2, 4)
    assert project.classes() == classes
    sets = project.settings.data.sets
    codes, names = project.snapshot.labels("label", classes, sets)
    assert [names[c] if c >= 0 else None for c in codes[before:]] == [None, "(none)"]
    codes, _ = project.snapshot.labels("paper", project.snapshot.class_names("paper", sets), sets)
    assert codes[before:].tolist() == [-1, -1], "as an oracle's column it says nothing"


def test_a_label_file_with_a_wrong_name_is_refused_whole(make: Make, tmp_path: Path) -> None:
    project = make(labeled=False)
    project.run()
    with project.ledger.read() as tx:
        one, two = [query.item for query in list_queries(tx, 0)][:2]
    file = tmp_path / "labels.csv"
    file.write_text(f"id,label\n{one},sport;rare\n{two},sport;chess\n")
    with pytest.raises(DataError, match="'chess' is not among"):
        project.import_labels(file)
    assert labels_of(project) == {}


def test_people_agree_label_by_label_and_a_lead_decides_sets(make: Make, topics: Topics) -> None:
    project = make(labeled=False, more=TWO)
    project.run()
    answer_all(project, "ann", topics)
    answer_all(project, "bob", topics, wrong=3)
    found = agreement(project)
    assert found["alpha"] > found["raw"] - 0.1
    assert {row["label"] for row in found["labels"]} >= {"politics", "sport", "rare"}
    assert all("alpha" in row for row in found["labels"])
    torn = disputed(project)["items"]
    assert 0 < len(torn) <= 3
    item = torn[0]["item"]
    rule(project, item, "sport;politics", by="lea")
    assert cards(project, [item])[0]["ruling"]["label"] == "politics;sport"
    with pytest.raises(UnknownName, match="chess"):
        rule(project, item, "chess", by="lea")
    assert relabel_or_wait(project)["rows"] == []
    assert project.run().status == "waiting"
    assert project.status()["rounds"][0]["labels"] == 20


def test_an_answer_is_stored_in_one_way_and_a_wrong_name_refused(make: Make) -> None:
    project = make(labeled=False)
    project.run()
    desk = Desk(project)
    one, two, three = (task["item"] for task in desk.lease("ann", "t", 3)["tasks"])
    given = [Answer("a" * 8, one, "sport;economy"), Answer("b" * 8, two, "sport;chess"), Answer("c" * 8, three, "")]
    assert [r.status for r in desk.submit("ann", given)[0]] == ["stored", "refused", "refused"]
    assert [r.status for r in desk.submit("ann", [Answer("a" * 8, one, "economy;sport")])[0]] == ["known"]
    assert labels_of(project) == {(one, "ann"): "economy;sport"}


def test_swipes_and_what_is_there_for_one_label_alone_are_refused(make: Make) -> None:
    with pytest.raises(SettingError, match=r"labeling\.swipe gives the one label"):
        make("swiped", more='[labeling]\nswipe = {left = "sport"}')
    project = make()
    from querist.pipeline.evaluation.diagnose import record_label_errors

    with pytest.raises(SettingError, match="each item has one label"):
        record_label_errors(project)


def test_label_studio_is_told_that_several_may_be_chosen() -> None:
    from querist.core.label_sets import LabelSets
    from querist.stages.human_labeling.label_studio import find_control, label_config, prediction_of

    config = label_config("text", ["a", "b"], context=False, several=True)
    control = find_control(config, ["a", "b"], several=True)
    made = prediction_of({"a": 0.9, "b": 0.7}, control, version="v", sets=LabelSets(";"))
    assert made["result"][0]["value"] == {"choices": ["a", "b"]}
    assert made["score"] == pytest.approx(0.7)
    with pytest.raises(SettingError, match="multiple"):
        find_control(label_config("text", ["a", "b"], context=False), ["a", "b"], several=True)
