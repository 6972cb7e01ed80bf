"""What was taken back does not come back with a file that was written before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from querist.pipeline.exchange.exports import answer_rows
from querist.pipeline.human_labeling.review import rule, rulings, take_back
from querist.pipeline.project import Project
from querist.stages.human_labeling.step import standing
from querist.stages.human_labeling.undone import act_of, newest_of, undone
from querist.store.annotations import Annotation, list_annotations

Say = Callable[..., str]
LABEL = st.sampled_from(["pos", "neg", None])
PERSON = (f"p{i}" for i in count())
LINE = "{item},{label},{who},{skip}\n"


def answer(id: str, label: str | None = "pos", who: str = "ada", **more: object) -> Annotation:
    return Annotation(id, "r1", 1, "pool", label, who, at=id)._replace(**more)


def undo(id: str, of: str, who: str = "ada") -> Annotation:
    return answer(id, None, who, kind="undo", supersedes=of)


def test_what_is_undone_is_told_with_its_time_until_it_is_said_again() -> None:
    first, back = answer("1"), undo("2", "1")
    assert undone([first]) == {}
    assert undone([first, back]) == {("r1", "ada", False, "pos"): "2"}
    assert undone([first, back, answer("3", "neg", supersedes="2")]) == {("r1", "ada", False, "pos"): "2"}
    assert undone([first, back, answer("3", supersedes="2")]) == {}


def test_the_undo_of_a_correction_takes_back_both_and_may_be_another_persons() -> None:
    corrected = [answer("1"), answer("2", "neg", supersedes="1")]
    assert undone(corrected) == {}
    assert undone([*corrected, undo("3", "2", "lea")]) == {("r1", "ada", False, label): "3" for label in ("pos", "neg")}
    assert undone([*corrected, undo("3", "2"), undo("4", "2")]) == undone([*corrected, undo("3", "2")])
    assert undone([*corrected, undo("3", "1")]) == {}, "the correction stands"


@given(
    said=st.dictionaries(st.integers(0, 9), LABEL, min_size=1, max_size=6),
    taken=st.sets(st.integers(0, 9)),
    again=st.dictionaries(st.integers(0, 9), LABEL, max_size=3),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_export_is_imported_again_after_some_undos_and_nothing_changes(
    waiting: Project,
    asked: list[str],
    say: Say,
    tmp_path: Path,
    said: dict[int, str | None],
    taken: set[int],
    again: dict[int, str | None],
) -> None:
    """By files without the column annotation_id. Each example has a person of its own."""
    who, ids = next(PERSON), dict[int, str]()
    rows = {
        i: LINE.format(item=asked[i], label=label or "", who=who, skip="" if label else "yes")
        for i, label in said.items()
    }
    file = tmp_path / "export.csv"
    file.write_text("id,label,annotator,skip\n" + "".join(rows.values()))
    for i, label in said.items():
        ids[i] = say(asked[i], label, who)
    for i in said.keys() & taken:
        back = say(asked[i], None, who, kind="undo", supersedes=ids[i])
        if i in again:
            say(asked[i], again[i], who, supersedes=back)
    before = state(waiting)
    for _ in range(2):
        assert waiting.import_labels(file)["added"] == 0
    assert state(waiting) == before


def state(project: Project) -> list[tuple[str, str, str | None]]:
    with project.ledger.read() as tx:
        return sorted((a.item, a.annotator, a.label) for a in standing(list_annotations(tx)))


def test_what_was_imported_and_taken_back_on_the_page_needs_an_id_or_a_later_time(
    waiting: Project, asked: list[str], say: Say, tmp_path: Path, clock: Callable[[], datetime]
) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(f"id,label,annotator\n{asked[0]},pos,ada\n")
    waiting.import_labels(file)
    (row,) = answer_rows(waiting, unanswered=False)
    say(asked[0], None, kind="undo", supersedes=row["annotation_id"])
    assert waiting.import_labels(file)["unchanged"] == 1
    file.write_text(f"id,label,annotator,at\n{asked[0]},pos,ada,{row['at']}\n")
    assert waiting.import_labels(file)["unchanged"] == 1, "said before it was taken back"
    file.write_text(f"id,label,annotator,annotation_id\n{asked[0]},pos,ada,said-once-more\n")
    assert waiting.import_labels(file)["added"] == 1
    assert [row["label"] for row in answer_rows(waiting, unanswered=False)] == ["pos"]


def test_another_label_is_an_answer_of_its_own(waiting: Project, asked: list[str], say: Say, tmp_path: Path) -> None:
    say(asked[0], None, kind="undo", supersedes=say(asked[0], "pos"))
    file = tmp_path / "labels.csv"
    file.write_text(f"id,label,annotator\n{asked[0]},neg,ada\n")
    assert [waiting.import_labels(file)["added"] for _ in range(2)] == [1, 0]


def test_a_ruling_that_was_taken_back_does_not_come_back_as_an_answer(
    waiting: Project, asked: list[str], tmp_path: Path
) -> None:
    rule(waiting, asked[0], "neg", by="lea")
    file = tmp_path / "labels.csv"
    file.write_text(f"id,label,annotator\n{asked[0]},neg,lea\n")
    take_back(waiting, asked[0], by="root")
    assert waiting.import_labels(file)["added"] == 0
    assert rulings(waiting) == []
    assert answer_rows(waiting, unanswered=False) == []


@pytest.mark.parametrize("by", ["lea", "root"])
@pytest.mark.parametrize("sure", ["at,2099-01-01T00:00:00+00:00", "annotation_id,brand-new-1"])
def test_a_lead_whose_ruling_was_taken_back_may_answer_the_same(
    waiting: Project, asked: list[str], tmp_path: Path, by: str, sure: str
) -> None:
    rule(waiting, asked[0], "pos", by="lea")
    take_back(waiting, asked[0], by=by)
    file, (column, value) = tmp_path / "labels.csv", sure.split(",")
    file.write_text(f"id,label,annotator,{column}\n{asked[0]},pos,lea,{value}\n")
    assert [waiting.import_labels(file)["added"] for _ in range(2)] == [1, 0]
    assert [row["label"] for row in answer_rows(waiting, unanswered=False)] == ["pos"]


def test_the_newest_of_an_act_is_its_undo_whoever_undid_it() -> None:
    first, second, back = answer("1"), answer("2", "neg", supersedes="1"), undo("3", "2", "root")
    assert newest_of([first, second, back]) == {act_of(first): back}
    assert newest_of([first, second, undo("3", "1")]) == {act_of(first): second}, "the correction stands"
    assert newest_of([undo("3", "nothing")]) == {}
