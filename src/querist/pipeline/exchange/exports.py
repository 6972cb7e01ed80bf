"""What was answered, one row for each answer that stands, for people and programs elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from querist.core.errors import DataError, SettingError
from querist.core.hashing import sha256
from querist.core.label_sets import LabelSets, confidence_of, label_of
from querist.pipeline.exchange.label_files import write_rows
from querist.stages.human_labeling.resolve import resolve
from querist.stages.human_labeling.step import is_gold, standing, vote_of
from querist.store.annotations import Annotation, list_annotations
from querist.store.rounds import Query, get_round, list_queries, newest_round

if TYPE_CHECKING:
    from querist.pipeline.project import Project

SETS = ("label", "resolved", "predicted")
"""Columns that hold sets of labels, where items have several."""
FORMATS = ("csv", "jsonl", "parquet", "datasets", "label-studio")
IMAGE_ENDINGS = {b"\x89PNG": ".png", b"\xff\xd8": ".jpg", b"GIF8": ".gif", b"BM": ".bmp", b"RIFF": ".webp"}


def export_answers(project: Project, file: Path, *, round: int | None, format: str, everything: bool) -> int:
    """Writes the answers of a round (default: the newest) or of all, and returns how many rows or tasks.

    Label Studio also gets the items without an answer: there they are tasks to be done.
    """
    if format not in FORMATS:
        raise SettingError(f"format = {format!r} must be one of {', '.join(FORMATS)}")
    sets = project.settings.data.sets
    rows = answer_rows(project, round=round, everything=everything, unanswered=format == "label-studio")
    if not rows:
        raise DataError("there is no answer to export yet; import labels or label on the page first")
    pictures = [row for row in rows if row.get("image")]
    for row in pictures:
        data = row["image"] if isinstance(row["image"], bytes) else project.artifacts.get(row["image"])
        row["image"] = {"bytes": data, "path": _image_name(data)} if format == "datasets" else write_image(file, data)
    if format == "label-studio":
        from querist.pipeline.exchange import label_studio_json

        return label_studio_json.write(file, rows, sets)
    rows = as_lists(rows, sets) if sets and format != "csv" else rows
    if format == "datasets":
        from querist.pipeline.exchange import datasets_folder

        datasets_folder.write(file, rows, project.classes(), name=project.settings.project.name)
        return len(rows)
    write_rows(file, rows, format)
    return len(rows)


def answer_rows(
    project: Project, *, round: int | None = None, everything: bool = True, unanswered: bool = False
) -> list[dict[str, Any]]:
    """Standing answers in the order they came, with the resolved label and the query that asked for them.

    `everything` includes items that no round asked. An undone or corrected answer is none.
    """
    with project.ledger.read() as tx:
        given = standing(list_annotations(tx))
        if not everything and round is None:
            round = newest_round(tx)
        if round is not None:
            get_round(tx, round)
        asked = {q.item: q for q in list_queries(tx, round)}
    sets, method = project.settings.data.sets, project.settings.labeling.resolve
    resolved = resolve((vote_of(a) for a in given if not is_gold(a)), method=method, sets=sets)
    chosen = [a for a in given if round is None or a.item in asked]
    shown = _unasked(project, [a for a in chosen if a.item not in asked])
    rows = [_answer_row(a, resolved.get(a.item), asked.get(a.item), shown.get(a.item, {}), sets) for a in chosen]
    if unanswered:
        left = set(asked) - {a.item for a in chosen}
        rows += [_answer_row(None, None, query, {}, sets) for item, query in asked.items() if item in left]
    return rows


def _unasked(project: Project, given: Sequence[Annotation]) -> dict[str, dict[str, Any]]:
    """What a person sees of items that no round asked, such as those of the holdout."""
    from querist.snapshots.payload import payloads

    positions = np.unique(np.array([a.position for a in given], dtype=np.intp))
    return dict(payloads(project.snapshot, positions)) if len(positions) else {}


def _answer_row(
    answer: Annotation | None,
    resolved: str | None,
    query: Query | None,
    shown: Mapping[str, Any],
    sets: LabelSets | None,
) -> dict[str, Any]:
    place = {"round": query.round if query else None, "rank": query.rank + 1 if query else None}
    item = answer.item if answer else query.item if query else ""
    row = asked_row(item, place, query.payload if query else shown, answer, sets)
    about = {
        "resolved": resolved,
        "at": answer.at if answer else None,
        "annotation_id": answer.id if answer else None,
        "split": answer.split if answer else query.split if query else None,
        "strategy": query.strategy if query else None,
        "model_version": query.model_version if query else None,
        "details": json.dumps(dict(answer.details), ensure_ascii=False) if answer and answer.details else "",
    }
    predicted = {"predicted": row.pop("predicted", None), "confidence": row.pop("confidence", None)}
    first = ("id", "label", "annotator", "seconds", "note", "skip")
    return {name: row.pop(name) for name in first} | about | {name: row.pop(name) for name in place} | predicted | row


def as_lists(rows: Sequence[Mapping[str, Any]], sets: LabelSets) -> list[dict[str, Any]]:
    """The rows with sets of labels as lists of names."""
    return [
        {name: list(sets.names(value)) if name in SETS and value else value for name, value in row.items()}
        for row in rows
    ]


def asked_row(
    item: str,
    place: Mapping[str, Any],
    payload: Mapping[str, Any],
    answer: Annotation | None,
    sets: LabelSets | None = None,
) -> dict[str, Any]:
    """One exported item; the columns that import reads come first. Of a predicted set the least sure label tells how
    sure the model is."""
    row: dict[str, Any] = {
        "id": item,
        "label": answer.label if answer else None,
        "annotator": answer.annotator if answer else None,
    }
    row |= {"seconds": answer.seconds if answer else None, "note": answer.note if answer else ""}
    row |= {"skip": "yes" if answer and answer.label is None else "", **place}
    prediction = payload.get("prediction", {})
    if prediction:
        row |= {"predicted": label_of(prediction, sets), "confidence": confidence_of(prediction, sets)}
    for part, value in payload.items():
        if part in ("context", "columns"):
            row |= {f"{part}.{name}": content for name, content in value.items()}
        elif part not in ("prediction", "gold"):  # who is tested by an item must not see it
            row[part] = value
    return row


def write_image(file: Path, data: bytes) -> str:
    """Puts the image beside the exported file and returns its path from there."""
    path = file.parent / f"{file.stem}-images" / _image_name(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path.relative_to(file.parent))


def _image_name(data: bytes) -> str:
    ending = next((e for start, e in IMAGE_ENDINGS.items() if data.startswith(start)), ".img")
    return sha256(data)[:16] + ending
