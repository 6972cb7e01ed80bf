"""Answers from here as annotations there, without a Label Studio."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.core.label_sets import LabelSets
from querist.stages.human_labeling.label_studio import Control, changes, root_of
from querist.stages.human_labeling.label_studio_answers import (
    annotation_of,
    from_here,
    to_send,
    to_withdraw,
    unique_ids,
    unknown,
)
from querist.stages.human_labeling.step import is_ruling, standing
from querist.store.annotations import Annotation
from querist.store.rounds import Query

LABELS = ("neg", "pos")
CONTROL = Control("label", "text", LABELS)
QUERY = Query(0, 0, "r7", 7, "pool", None, {}, "auto", None, {"text": "fine"})
ANSWER = Annotation("0" * 31 + "1", "r7", 7, "pool", "pos", "ada", seconds=2.0)
TASK = {"id": 4, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:09Z"}


class There:
    """A task in a Label Studio that does as the real one does."""

    def __init__(self) -> None:
        self.annotations: dict[int, dict[str, Any]] = {}
        self.names: dict[str, int] = {}
        self.clock = 0

    @property
    def task(self) -> dict[str, Any]:
        return {**TASK, "updated_at": self.now(), "annotations": [*self.annotations.values()]}

    def now(self) -> str:
        self.clock += 1
        return f"2026-01-01T{self.clock // 3600:02d}:{self.clock // 60 % 60:02d}:{self.clock % 60:02d}Z"

    def post(self, made: Mapping[str, Any], unique_id: str | None = None) -> dict[str, Any] | None:
        if unique_id in self.names:
            return None
        number, now = self.clock + 1, self.now()
        self.annotations[number] = {"id": number, "created_at": now, "updated_at": now, "completed_by": 1, **made}
        if unique_id is not None:
            self.names[unique_id] = number
        return self.annotations[number]

    def change(self, number: int, made: Mapping[str, Any]) -> None:
        self.annotations[number] |= {**made, "updated_at": self.now()}

    def delete(self, number: int) -> None:
        del self.annotations[number]
        self.names = {name: one for name, one in self.names.items() if one != number}


class Here:
    """The record of one item, and what of it was sent."""

    def __init__(self, there: There) -> None:
        self.there = there
        self.said: list[Annotation] = []
        self.sent: dict[str, str] = {}

    def pull(self) -> None:
        task = self.there.task
        if unknown(task, self.said, self.sent):
            for row in from_here(self.said):
                number = self.there.names.get(unique_ids(row, task)[0])
                if number is not None:
                    self.sent.setdefault(row.id, root_of(self.there.annotations[number]))
        names = {1: "lead@example.com"}
        new, refused = changes(
            task, QUERY, self.said, CONTROL, classes=LABELS, names=names, shown="never", sent=self.sent
        )
        assert refused == []
        self.said += new

    def push(self, *, killed: bool = False) -> None:
        task = self.there.task
        for number in to_withdraw(task, self.said, self.sent, CONTROL, classes=LABELS):
            assert number in self.there.names.values(), "what people made there is theirs"
            self.there.delete(number)
        for row in to_send(self.said, self.sent):
            name = unique_ids(row, task)[0]
            self.there.post(annotation_of(row, CONTROL, accounts={}), name)
            if killed:
                return
            self.sent[row.id] = root_of(self.there.annotations[self.there.names[name]])

    def act(self, who: str, label: str | None, *, undo: bool = False) -> None:
        mine = [row for row in standing(self.said) if row.annotator == who]
        kind, before = ("undo" if undo else "answer"), mine[-1].id if mine else None
        if undo and not mine:
            return
        row = ANSWER._replace(
            id=UUID(int=len(self.said) + 1).hex, annotator=who, label=label, kind=kind, supersedes=before
        )
        self.said.append(row)


def read(task: Mapping[str, Any], said: list[Annotation], sent: Mapping[str, str]) -> list[Annotation]:
    new, _ = changes(
        task, QUERY, said, CONTROL, classes=LABELS, names={1: "lead@example.com"}, shown="never", sent=sent
    )
    return new


def test_an_answer_is_an_annotation_in_the_name_of_its_person() -> None:
    chosen = {"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": ["pos"]}}
    assert annotation_of(ANSWER, CONTROL, accounts={"ada": 3}) == {
        "result": [chosen], "was_cancelled": False, "lead_time": 2.0, "ground_truth": False, "completed_by": 3,
    }  # fmt: skip
    skip = annotation_of(ANSWER._replace(label=None, details={"adjudicated": True}), CONTROL, accounts={"bob": 3})
    assert (skip["result"], skip["was_cancelled"], skip["ground_truth"]) == ([], True, True)
    assert "completed_by" not in skip


def test_a_set_of_labels_is_one_annotation_and_the_empty_set_is_no_skip() -> None:
    sets = LabelSets(";")
    both = annotation_of(ANSWER._replace(label="neg;pos"), CONTROL, accounts={}, sets=sets)
    assert both["result"][0]["value"]["choices"] == ["neg", "pos"]
    none = annotation_of(ANSWER._replace(label="(none)"), CONTROL, accounts={}, sets=sets)
    assert (none["result"], none["was_cancelled"]) == ([], False)


def test_a_unique_id_is_the_id_of_the_answer_where_label_studio_can_take_it() -> None:
    best, other = unique_ids(ANSWER, TASK)
    assert best == "00000000-0000-0000-0000-000000000001"
    (made,) = unique_ids(ANSWER._replace(id="answer of the other tool"), TASK)
    assert len({best, other, made, *unique_ids(ANSWER, {**TASK, "id": 5})}) == 4
    assert str(UUID(made)) == made


def test_a_correction_there_supersedes_the_answer_from_here() -> None:
    there = There()
    given_ = there.post(annotation_of(ANSWER, CONTROL, accounts={})) or {}
    sent = {ANSWER.id: root_of(given_)}
    assert read(there.task, [ANSWER], sent) == []
    there.change(given_["id"], {**annotation_of(ANSWER._replace(label="neg"), CONTROL, accounts={}), "lead_time": 5.0})
    (second,) = read(there.task, [ANSWER], sent)
    assert (second.supersedes, second.label, second.annotator, second.seconds) == (ANSWER.id, "neg", "ada", 3.0)
    assert read(there.task, [ANSWER, second], sent) == []
    assert to_send([ANSWER, second], sent) == []
    there.delete(given_["id"])
    (undo,) = read(there.task, [ANSWER, second], sent)
    assert (undo.kind, undo.supersedes) == ("undo", second.id)


def test_a_ruling_that_is_corrected_there_is_still_a_ruling() -> None:
    ruling = ANSWER._replace(details={"adjudicated": True})
    there = There()
    given_ = there.post(annotation_of(ruling, CONTROL, accounts={})) or {}
    there.change(given_["id"], annotation_of(ruling._replace(label="neg"), CONTROL, accounts={}))
    (second,) = read(there.task, [ruling], {ruling.id: root_of(given_)})
    assert is_ruling(second)


def test_only_what_stands_and_came_from_here_is_sent() -> None:
    foreign = ANSWER._replace(id="2", details={"label_studio": {"task": "4@x", "annotation": "ls:1@x"}})
    undone = ANSWER._replace(id="3", annotator="bob")
    undo = undone._replace(id="4", kind="undo", label=None, supersedes="3")
    assert to_send([ANSWER, foreign, undone, undo], {}) == [ANSWER]
    assert to_send([ANSWER], {ANSWER.id: "ls:1@x"}) == []


@pytest.mark.parametrize(("label", "withdrawn"), [("pos", True), ("neg", False)])
def test_what_was_undone_here_is_withdrawn_unless_somebody_changed_it_there(label: str, withdrawn: bool) -> None:
    there = There()
    given_ = there.post(annotation_of(ANSWER._replace(label=label), CONTROL, accounts={})) or {}
    undo = ANSWER._replace(id="2", kind="undo", label=None, supersedes=ANSWER.id)
    sent = {ANSWER.id: root_of(given_)}
    assert to_withdraw(there.task, [ANSWER], sent, CONTROL, classes=LABELS) == []
    found = to_withdraw(there.task, [ANSWER, undo], sent, CONTROL, classes=LABELS)
    assert found == ([given_["id"]] if withdrawn else [])
    assert bool(read(there.task, [ANSWER, undo], sent)) is not withdrawn, "what was undone here does not come back"


def test_what_corrects_an_answer_that_was_given_there_is_not_sent_as_a_second_one() -> None:
    given_ = ANSWER._replace(id="2", details={"label_studio": {"task": "4@x", "annotation": "ls:1@x"}})
    here = ANSWER._replace(id="3", label="neg", supersedes="2")
    assert to_send([given_, here, here._replace(id="4", label="pos", supersedes="3")], {}) == []


def corrects_theirs(row: Annotation, said: list[Annotation]) -> bool:
    """Whether an answer from here corrects, maybe over others, one that was given there first."""
    known, first = {one.id: one for one in said}, row
    while first.supersedes:
        first = known[first.supersedes]
    return "label_studio" not in row.details and "label_studio" in first.details


ACTS = st.one_of(
    st.tuples(
        st.just("here"),
        st.sampled_from(["ada", "bob", "lead@example.com"]),
        st.sampled_from(["pos", "neg", None, "undo"]),
    ),
    st.tuples(st.just("there"), st.integers(0, 2), st.sampled_from(["pos", "neg", None, "delete", "new"])),
    st.tuples(st.sampled_from(["pull", "push", "killed"]), st.none(), st.none()),
)


@settings(max_examples=300)
@given(st.lists(ACTS, max_size=14))
def test_whatever_happens_here_and_there_both_end_with_the_same_answers(acts: list[tuple[str, Any, Any]]) -> None:
    there = There()
    here = Here(there)
    for where, which, what in acts:
        if where == "here":
            here.act(which, None if what == "undo" else what, undo=what == "undo")
        elif where == "there":
            numbers = sorted(there.annotations)
            made = annotation_of(
                ANSWER._replace(label="pos" if what in ("new", "delete") else what), CONTROL, accounts={}
            )
            if what == "new":
                there.post(made)
            elif which < len(numbers) and what == "delete":
                there.delete(numbers[which])
            elif which < len(numbers):
                there.change(numbers[which], made)
        elif where == "pull":
            here.pull()
        else:
            here.push(killed=where == "killed")
    for _ in range(2):
        here.pull()
        here.push()
    before = len(here.said), sorted(there.annotations)
    here.pull()
    here.push()
    assert (len(here.said), sorted(there.annotations)) == before, "nothing is left to be said"
    assert len({row.id for row in here.said}) == len(here.said)
    theirs = [row for row in standing(here.said) if corrects_theirs(row, here.said)]
    assert not {row.id for row in theirs} & set(here.sent), "their answer has one annotation, which is theirs"
    stands = [row for row in standing(here.said) if row not in theirs]
    roots = [here.sent.get(row.id) or row.details["label_studio"]["annotation"] for row in stands]
    assert len(set(roots)) == len(roots), "no answer is there twice"
    labels = {root_of(one): one for one in there.annotations.values()}
    for row, root in zip(stands, roots, strict=True):
        chosen = [part["value"]["choices"] for part in labels[root]["result"]]
        assert chosen == ([] if row.label is None else [[row.label]])
    withdrawn = {here.sent[row.id] for row in from_here(here.said) if row.id in here.sent} - set(roots)
    assert not withdrawn & set(labels), "what stands here no longer is there no longer"
