"""Label Studio's JSON: the labeling page it is told to show, tasks and predictions out, annotations in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from querist.asking import CONTROL
from querist.core.errors import SettingError
from querist.core.label_sets import LabelSets, confidence_of, label_of
from querist.stages.human_labeling.step import is_ruling
from querist.store.annotations import Annotation
from querist.store.ledger import iso
from querist.store.rounds import Query

SOURCE = "label_studio"
OBJECTS = {"text": "Text", "image": "Image", "tabular": "Table"}
NOTHING: Mapping[str, str] = MappingProxyType({})
DATA_KEYS = {"text": "text", "image": "image", "tabular": "columns"}


@dataclass(frozen=True)
class Control:
    """The `<Choices>` that asks for the label: its name, the name of what it is about, the labels it offers."""

    name: str
    to_name: str
    labels: tuple[str, ...]


class Refused(NamedTuple):
    """An annotation that was not taken, by its number and its task's in Label Studio."""

    task: int
    annotation: int
    item: str
    why: str


def label_config(kind: str, classes: Sequence[str], *, context: bool, several: bool = False) -> str:
    """The page for items of a kind; `context` adds a table of the columns that only people see."""
    key = DATA_KEYS[kind]
    zoom = ' zoom="true" zoomControl="true"' if kind == "image" else ""
    shown = f'<{OBJECTS[kind]} name="{key}" value="${key}"{zoom}/>'
    beside = '<Table name="context" value="$context"/>' if context else ""
    choices = "".join(f"<Choice value={quoteattr(name)}/>" for name in classes)
    how = "multiple" if several else "single"
    return f'<View>{shown}{beside}<Choices name="label" toName="{key}" choice="{how}">{choices}</Choices></View>'


def find_control(config: str, classes: Sequence[str], *, several: bool = False) -> Control:
    """The control of a label config that offers the classes, `several` at once. Raises SettingError naming those it
    lacks."""
    try:
        root = ElementTree.fromstring(config)  # noqa: S314 - from the team's own Label Studio; expat bounds entities
    except ElementTree.ParseError as error:
        raise SettingError(f"the label config of the Label Studio project is not valid XML: {error}") from None
    tags = [tag for tag in root.iter("Choices") if not several or tag.get("choice") == "multiple"]
    found = [Control(tag.get("name", ""), tag.get("toName", ""), tuple(_offered(tag))) for tag in tags]
    if not found and several:
        raise SettingError(
            'the label config of the Label Studio project has no <Choices choice="multiple">, and data.labels is '
            '"several"; add one with the labels'
        )
    if not found:
        raise SettingError("the label config of the Label Studio project has no <Choices>; add one with the labels")
    best = max(found, key=lambda control: len(set(classes) & set(control.labels)))
    if missing := [name for name in classes if name not in best.labels]:
        raise SettingError(
            f"<Choices name={best.name!r}> of the Label Studio project does not offer {missing}; "
            "add a <Choice> for each to its label config"
        )
    return best


def model_tag(queries: Sequence[Query]) -> str:
    """The name under which Label Studio keeps the scores of these open queries; another round has another."""
    newest = max(queries, key=lambda query: query.round)
    return f"round-{newest.round}-{newest.model_version or 'seed'}"


def served_score(query: Query, *, newest: int, n_asked: int) -> float:
    """Label Studio serves the lowest score first, and drops one that is not in 0..1.

    By rank the newest round goes from a half to 1, the one before from a quarter to a half, and so on.
    """
    return (1 + query.rank / n_asked) / 2.0 ** (1 + newest - query.round)


def data_of(query: Query, kind: str, image: str | None, sets: LabelSets | None = None) -> dict[str, Any]:
    """The data of a task: what people see, and what finds the item again. `image` is its address."""
    payload = query.payload
    data: dict[str, Any] = {"querist_id": query.item, "querist_round": query.round, "querist_rank": query.rank + 1}
    data[DATA_KEYS[kind]] = image if kind == "image" else payload[DATA_KEYS[kind]]
    data["context"] = dict(payload.get("context", {}))
    if prediction := payload.get("prediction"):
        data["confidence"] = confidence_of(prediction, sets)
    if reason := payload.get("reason"):
        data["reason"] = reason
    return data


def prediction_of(
    proba: Mapping[str, float] | None,
    control: Control,
    *,
    version: str,
    score: float | None = None,
    sets: LabelSets | None = None,
) -> dict[str, Any]:
    """A prediction: the likeliest label (or labels), and as score the confidence in it where no other is given."""
    best = label_of(proba, sets) if proba else None
    chosen = [] if best is None else [best] if sets is None else list(sets.names(best))
    sure = confidence_of(proba, sets) if proba else 0.0
    return {"model_version": version, "score": sure if score is None else score, "result": choices(chosen, control)}


def changes(
    task: Mapping[str, Any],  # Any: Label Studio's JSON
    query: Query,
    said: Sequence[Annotation],
    control: Control,
    *,
    classes: Sequence[str],
    names: Mapping[int, str],
    shown: str,
    sets: LabelSets | None = None,
    sent: Mapping[str, str] = NOTHING,
) -> tuple[list[Annotation], list[Refused]]:
    """What a task says that the record does not: new answers, corrections, and undos of what was deleted.

    `said` is all that the record has of the item, in the order it arrived, `names` who annotates by number, `sent` the
    annotations that were answers here first. Ids depend on what Label Studio says alone, so that a repetition writes
    nothing.
    """
    place, chains = place_of(task), chains_of(task, said, sent)
    superseded = {row.supersedes for row in said}
    made: list[Annotation] = []
    refused: list[Refused] = []
    for given in task["annotations"]:
        root = root_of(given)
        chain = chains.pop(root, [])
        if chain and chain[-1].details.get(SOURCE, {}).get("updated_at") == given["updated_at"]:
            continue
        label, why = label_of_annotation(given, control, classes, sets)
        if why:
            refused.append(Refused(task["id"], given["id"], query.item, why))
            continue
        last = chain[-1] if chain else None
        stands = last is not None and last.kind == "answer" and last.id not in superseded
        if last is not None and last.label == label and (stands or SOURCE not in last.details):
            continue
        details: dict[str, Any] = {SOURCE: _origin(place, root, given["updated_at"])}
        if last is not None and is_ruling(last):
            details["adjudicated"] = True
        if "prediction" in query.payload:
            details["shown"] = "never" if query.strategy == CONTROL else shown
        if query.payload.get("gold"):
            details["gold"] = True
        made.append(
            Annotation(
                id=f"{root}:{given['updated_at']}" if chain else root,
                item=query.item,
                position=query.position,
                split=query.split,
                label=label,
                annotator=last.annotator if last else names.get(who := given["completed_by"], f"label-studio:{who}"),
                supersedes=last.id if last is not None and stands else None,
                seconds=_seconds(given["lead_time"], chain),
                at=iso(datetime.fromisoformat(given["updated_at"])),
                details=details,
            )
        )
    for root, chain in chains.items():
        last = chain[-1]
        if last.kind == "answer" and last.id not in superseded:
            origin = _origin(place, root, task["updated_at"])
            undone = last._replace(id=f"{root}:undo", kind="undo", label=None, supersedes=last.id, seconds=None)
            made.append(undone._replace(details={SOURCE: origin}, at=iso(datetime.fromisoformat(task["updated_at"]))))
    return made, refused


def place_of(task: Mapping[str, Any]) -> str:
    """Which task it is, of all that any Label Studio ever had."""
    return f"{task['id']}@{task['created_at']}"


def root_of(annotation: Mapping[str, Any]) -> str:
    """Which annotation it is, through all its corrections."""
    return f"ls:{annotation['id']}@{annotation['created_at']}"


def chains_of(
    task: Mapping[str, Any], said: Sequence[Annotation], sent: Mapping[str, str]
) -> dict[str, list[Annotation]]:
    """What the record has of each annotation of a task, by its root, in the order it arrived; `sent` has the root of
    each answer that querist sent there, by its id."""
    place, chains = place_of(task), dict[str, list[Annotation]]()
    for row in said:
        origin = row.details.get(SOURCE)
        root = sent.get(row.id) if origin is None else origin["annotation"] if origin.get("task") == place else None
        if root is not None:
            chains.setdefault(root, []).append(row)
    return chains


def choices(labels: Sequence[str], control: Control) -> list[dict[str, Any]]:
    """The result that chooses the labels; empty without any."""
    place = {"from_name": control.name, "to_name": control.to_name}
    return [{**place, "type": "choices", "value": {"choices": list(labels)}}] if labels else []


def label_of_annotation(
    given: Mapping[str, Any], control: Control, classes: Sequence[str], sets: LabelSets | None
) -> tuple[str | None, str]:
    """The label (None: skipped), or why there is none."""
    if given["was_cancelled"]:
        return None, ""
    parts = [part for part in given["result"] or [] if part.get("from_name") == control.name]
    chosen = [name for part in parts for name in part.get("value", {}).get("choices", [])]
    if len(chosen) != 1 and sets is None:
        return None, f"{len(chosen)} labels where one is asked"
    if strange := [name for name in chosen if name not in classes]:
        return None, f"unknown label {json.dumps(strange[0])}"
    return (chosen[0] if sets is None else sets.join(chosen)), ""


def _offered(choices: ElementTree.Element) -> list[str]:
    return [choice.get("alias") or choice.get("value") or "" for choice in choices.iter("Choice")]


def _seconds(lead_time: float | None, chain: Sequence[Annotation]) -> float | None:
    """Label Studio counts the time of a correction on top of the first; each row has its own part of it."""
    before = sum(row.seconds or 0.0 for row in chain)
    return None if lead_time is None else max(lead_time - before, 0.0)


def _origin(place: str, root: str, updated_at: str) -> dict[str, str]:
    return {"task": place, "annotation": root, "updated_at": updated_at}
