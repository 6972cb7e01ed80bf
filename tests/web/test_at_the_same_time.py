"""Requests that cross each other, on both databases: each finds the record as if it had come alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from querist.pipeline.exchange import labels
from querist.pipeline.human_labeling import labeling, review
from querist.pipeline.human_labeling.labeling import Answer, Desk
from querist.pipeline.project import Project
from querist.stages.human_labeling.step import standing
from querist.store import queue
from querist.store.annotations import list_annotations


@pytest.fixture(params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest, waiting: Project) -> Iterator[Project]:
    """Its 20 items want two answers each."""
    path = waiting.folder / "querist.toml"
    url = request.getfixturevalue("postgres") if request.param == "postgres" else "sqlite:///shared.db"
    path.write_text(f'{path.read_text()}\n[labeling]\noverlap = 2\n[storage]\nledger = "{url}"\n')
    project = Project(waiting.folder)
    project.ingest(waiting.folder.parent / "reviews.csv")
    project.run()
    yield project
    project.ledger.close()


def cross(monkeypatch: pytest.MonkeyPatch, *acts: Callable[[], Any]) -> list[BaseException]:
    """Runs the acts at once; none writes before all have read, where they do not wait for each other."""
    barrier = threading.Barrier(len(acts))
    errors: list[BaseException] = []
    for module in (labeling, labels, review):
        add = module.add_annotations

        def late(*args: Any, add: Any = add, **more: Any) -> int:
            with suppress(threading.BrokenBarrierError):
                barrier.wait(timeout=0.5)
            return int(add(*args, **more))

        monkeypatch.setattr(module, "add_annotations", late)

    def run(act: Callable[[], Any]) -> None:
        try:
            act()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    return errors


def held_by(project: Project, *people: str) -> tuple[Desk, str]:
    desk = Desk(project)
    items = [desk.lease(who, "t", 1)["tasks"][0]["item"] for who in people]
    assert len(set(items)) == 1
    return desk, items[0]


def said(project: Project, item: str) -> list[tuple[str, str | None]]:
    with project.ledger.read() as tx:
        return [(a.annotator, a.label) for a in standing(list_annotations(tx)) if a.item == item]


def test_of_two_answers_of_one_person_one_stands(shared: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, item = held_by(shared, "ada")
    acts = [
        lambda label=label: desk.submit("ada", [Answer(f"from-tab-{label}", item, label)])  # type: ignore[misc]
        for label in ("pos", "neg")
    ]
    assert cross(monkeypatch, *acts) == []
    assert len(said(shared, item)) == 1


def test_two_people_take_back_at_once(shared: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, item = held_by(shared, "ada", "ben")
    for who in ("ada", "ben"):
        desk.submit(who, [Answer(f"first-{who}", item, "pos")])

    def undo(who: str) -> None:
        desk.submit(who, [Answer(f"undo-of-{who}", item, undo=True, supersedes=f"first-{who}")])

    assert cross(monkeypatch, lambda: undo("ada"), lambda: undo("ben")) == []
    assert said(shared, item) == []
    with shared.ledger.read() as tx:
        assert queue.waiting(tx) == 20


def test_of_two_rulings_one_stands(shared: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    _, item = held_by(shared, "ada")
    acts = [lambda label=label: review.rule(shared, item, label, by=f"lea-{label}") for label in ("pos", "neg")]  # type: ignore[misc]
    assert cross(monkeypatch, *acts) == []
    assert len(review.rulings(shared)) == 1


def test_an_import_beside_the_page_corrects_and_does_not_double(
    shared: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, item = held_by(shared, "ada")
    file = shared.folder / "labels.csv"
    file.write_text(f"id,label\n{item},neg\n")
    acts = (
        lambda: desk.submit("ada", [Answer("from-the-page", item, "pos")]),
        lambda: shared.import_labels(file, annotator="ada"),
    )
    assert cross(monkeypatch, *acts) == []
    assert len(said(shared, item)) == 1
