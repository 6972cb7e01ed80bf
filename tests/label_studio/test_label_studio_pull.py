"""Pull from a real Label Studio."""

from __future__ import annotations

from typing import Any

import pytest

from querist.pipeline.exchange import label_studio as door
from querist.pipeline.project import Project
from querist.store.annotations import Annotation, list_annotations
from querist.store.queue import open_items

pytestmark = pytest.mark.systems


def annotations(project: Project) -> list[Annotation]:
    with project.ledger.begin() as tx:
        return list_annotations(tx)


def test_what_a_person_does_there_is_the_record_here(there: Any, work: Project, own: int) -> None:
    one, two, three, *_ = there.tasks(own)
    first = there.annotate(one["id"], "pos", seconds=2.0)
    there.annotate(two["id"], None)
    there.annotate(three["id"], "strange")
    found = door.pull(work)
    assert (found.answers, found.corrected, found.undone) == (2, 0, 0)
    assert [(r.item, r.why) for r in found.refused] == [(three["data"]["querist_id"], 'unknown label "strange"')]
    rows = {row.item: row for row in annotations(work)}
    answer = rows[one["data"]["querist_id"]]
    assert (answer.label, answer.annotator, answer.seconds) == ("pos", "lead@example.com", 2.0)
    assert rows[two["data"]["querist_id"]].label is None
    with work.ledger.begin() as tx:
        assert len(open_items(tx)) == 18

    assert door.pull(work, everything=True).answers == 0, "a repetition stores nothing"
    there.correct(first, "neg", seconds=5.0)
    assert door.pull(work).corrected == 1
    corrected = annotations(work)[-1]
    assert (corrected.label, corrected.supersedes, corrected.seconds) == ("neg", answer.id, 3.0)
    there.delete(first)
    assert door.pull(work).undone == 1
    assert (annotations(work)[-1].kind, annotations(work)[-1].supersedes) == ("undo", corrected.id)
    assert door.pull(work, everything=True) == door.Pulled(own, refused=found.refused)
    assert len(annotations(work)) == 4
    with work.ledger.begin() as tx:
        assert len(open_items(tx)) == 19


def test_a_pull_that_is_cut_short_loses_and_doubles_nothing(
    there: Any, work: Project, own: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    there.answer_all(own)
    monkeypatch.setattr("querist.pipeline.exchange.label_studio_api.PAGE", 8)
    take, pages = door._take, []

    def cut(*arguments: Any, **how: Any) -> None:
        take(*arguments, **how)
        pages.append(1)
        if len(pages) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(door, "_take", cut)
    with pytest.raises(KeyboardInterrupt):
        door.pull(work)
    assert len(annotations(work)) == 16
    assert door.pull(work).answers == 4
    assert len({row.item for row in annotations(work)}) == len(annotations(work)) == 20
