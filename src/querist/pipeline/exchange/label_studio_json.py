"""Label Studio's JSON: tasks with predictions and annotations."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from querist.core.errors import DataError
from querist.core.label_sets import LabelSets

ID = "querist_id"


def write(file: Path, rows: Sequence[Mapping[str, Any]], sets: LabelSets | None = None) -> int:
    """Rows of one item become one task; returns how many tasks there are. A row without an answer gives none."""
    tasks: dict[str, dict[str, Any]] = {}
    for row in rows:
        task = tasks.setdefault(row["id"], _task(row, sets))
        if row["label"] is not None or row["skip"]:
            task["annotations"].append(_annotation(row, sets))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(list(tasks.values()), ensure_ascii=False, indent=1), encoding="utf-8")
    return len(tasks)


def read(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """One row for each annotation of a JSON export, by "task 3", counted from 1; tasks without one are left out."""
    try:
        tasks = json.loads(file.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{file} is not valid JSON in UTF-8 ({error})") from None
    if not isinstance(tasks, list):
        raise DataError(f"{file} must be a list of tasks, as Label Studio exports it under the name JSON")
    for number, task in enumerate(tasks, start=1):
        place = f"task {number}"
        try:
            item = task["data"][ID]
            for annotation in task.get("annotations") or [{}]:
                yield place, _row(str(item), annotation)
        except (KeyError, TypeError, AttributeError):
            raise DataError(f"{file}, {place}: data.{ID} and annotations are missing or of another form") from None


def _task(row: Mapping[str, Any], sets: LabelSets | None) -> dict[str, Any]:
    shown = _shown(row)
    data: dict[str, Any] = {ID: row["id"], shown: row[shown] if shown in row else _part(row, "columns.")}
    data |= {"context": _part(row, "context."), "querist_round": row["round"], "querist_rank": row["rank"]}
    data |= {name: row[name] for name in ("confidence", "reason") if row.get(name)}
    if row["resolved"] is not None:
        data["querist_resolved"] = row["resolved"] if sets is None else list(sets.names(row["resolved"]))
    task: dict[str, Any] = {"data": data, "annotations": [], "predictions": []}
    if row["predicted"] is not None:
        result = _choices(row, row["predicted"], sets)
        version = row["model_version"] or "seed"
        task["predictions"].append({"model_version": version, "score": row["confidence"], "result": result})
    return task


def _annotation(row: Mapping[str, Any], sets: LabelSets | None) -> dict[str, Any]:
    """Label Studio leaves out what it has no place for: `created_username`, `note` and `details`."""
    return {
        "unique_id": row["annotation_id"],
        "created_username": row["annotator"],
        "created_at": row["at"],
        "lead_time": row["seconds"],
        "was_cancelled": bool(row["skip"]),
        "result": [] if row["skip"] else _choices(row, row["label"], sets),
        "note": row["note"],
        "details": json.loads(row["details"] or "{}"),
    }


def _choices(row: Mapping[str, Any], label: str, sets: LabelSets | None) -> list[dict[str, Any]]:
    """What was chosen; nothing where no label fits."""
    names = [label] if sets is None else list(sets.names(label))
    chosen = {"from_name": "label", "to_name": _shown(row), "type": "choices", "value": {"choices": names}}
    return [chosen] if names else []


def _shown(row: Mapping[str, Any]) -> str:
    """What the annotator sees, under the names of `querist label-studio`."""
    return next((name for name in ("text", "image") if name in row), "columns")


def _part(row: Mapping[str, Any], start: str) -> dict[str, Any]:
    return {name.removeprefix(start): value for name, value in row.items() if name.startswith(start)}


def _row(item: str, annotation: Mapping[str, Any]) -> dict[str, Any]:
    chosen = [choice for one in annotation.get("result") or () for choice in one["value"].get("choices", ())]
    skipped = bool(annotation.get("was_cancelled"))
    who = annotation.get("completed_by")
    by = who.get("email") if isinstance(who, dict) else f"label-studio:{who}" if who is not None else None
    return {
        "id": item,
        "label": None if skipped or not annotation else chosen[0] if len(chosen) == 1 else chosen,
        "skip": "yes" if skipped else "",
        "annotator": annotation.get("created_username") or by,
        "annotation_id": annotation.get("unique_id"),
        "seconds": annotation.get("lead_time"),
        "at": annotation.get("created_at"),
        "note": annotation.get("note") or "",
        "details": json.dumps(annotation.get("details") or {}),
    }
