"""Answers that people gave here, sent to Label Studio, and known again when they come back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from querist.pipeline.exchange.label_studio_api import LabelStudio
from querist.stages.human_labeling.label_studio import Control, place_of, root_of
from querist.stages.human_labeling.label_studio_answers import (
    annotation_of,
    from_here,
    to_send,
    to_withdraw,
    unique_ids,
    unknown,
)
from querist.store.annotations import Annotation, annotations_of
from querist.store.ledger import Tx
from querist.store.rounds import Query
from querist.store.sent import Sent, add_sent, list_sent

if TYPE_CHECKING:
    from querist.pipeline.project import Project

Json = Mapping[str, Any]  # Any: Label Studio's JSON


def send(
    project: Project, there: LabelStudio, number: int, control: Control, tasks: Mapping[str, Json]
) -> tuple[int, int]:
    """How many answers became annotations of their item's task, and how many annotations were withdrawn.

    Each is recorded as soon as it is there. One whose record was lost is found by its unique id, and not sent again.
    """
    if not project.settings.label_studio.send_answers:
        return 0, 0
    classes, sets = project.classes(), project.settings.data.sets
    with project.ledger.read() as tx:
        sent, said = list_sent(tx), _said(tx, tasks)
    accounts = {name.casefold(): account for account, name in there.names().items()} if said else {}
    n_sent = n_withdrawn = 0
    for item, rows in said.items():
        task = tasks[item]
        place = place_of(task)
        known = sent.get(place, {})
        for annotation in to_withdraw(task, rows, known, control, classes=classes, sets=sets):
            there.delete_annotation(annotation)
            n_withdrawn += 1
        for row in to_send(rows, known):
            made = annotation_of(row, control, accounts=accounts, sets=sets)
            if (root := _put(there, number, task, made, unique_ids(row, task))) is not None:
                with project.ledger.begin() as tx:
                    add_sent(tx, place, {row.id: root}, now=project.clock())
                n_sent += 1
    return n_sent, n_withdrawn


def answered(project: Project, queries: Sequence[Query]) -> bool:
    """Whether anybody said something of their items."""
    with project.ledger.read() as tx:
        return bool(annotations_of(tx, [query.item for query in queries]))


def known_again(
    project: Project, there: LabelStudio, number: int, tasks: Sequence[Json], sent: Sent
) -> dict[str, dict[str, str]]:
    """Of a page of tasks the annotations that are answers from here although `sent` does not say so."""
    ours = [(task["data"]["querist_id"], task) for task in tasks if isinstance(task["data"].get("querist_id"), str)]
    with project.ledger.read() as tx:
        said = _said(tx, {item for item, _ in ours})
    doubtful = [
        (task, said[item])
        for item, task in ours
        if item in said and unknown(task, said[item], sent.get(place_of(task), {}))
    ]
    names = there.by_unique_id(number, [task["id"] for task, _ in doubtful]) if doubtful else {}
    found = dict[str, dict[str, str]]()
    for task, rows in doubtful:
        for row in from_here(rows):
            for name in unique_ids(row, task):
                if name in names and names[name]["task"] == task["id"]:
                    found.setdefault(place_of(task), {})[row.id] = root_of(names[name])
    return found


def _said(tx: Tx, items: Collection[str]) -> dict[str, list[Annotation]]:
    """All that was said of the items, by item."""
    said: dict[str, list[Annotation]] = {}
    for row in annotations_of(tx, items):
        said.setdefault(row.item, []).append(row)
    return said


def _put(there: LabelStudio, number: int, task: Json, made: Json, names: Sequence[str]) -> str | None:
    """The root of the annotation under the first name that is free or was its own already; None where the task is
    gone."""
    for name in names:
        answer = there.annotate(task["id"], {**made, "unique_id": name})
        answer = answer or there.by_unique_id(number, [task["id"]]).get(name)
        if answer is not None:
            return root_of(answer)
    return None
