"""Labels in and out: what a file of them may say, and which items go into one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from querist.core.errors import DataError, HoldoutError, NoSuchRound, PoolExhausted, SettingError
from querist.core.hashing import sha256
from querist.core.selection import stream
from querist.pipeline.label_files import read_rows, write_rows
from querist.snapshots.payload import payloads
from querist.snapshots.snapshot import POOL, SPLITS
from querist.store.annotations import Annotation, add_annotations, list_annotations
from querist.store.ledger import iso
from querist.store.rounds import list_queries, list_rounds

if TYPE_CHECKING:
    from querist.pipeline.project import Project

SHOWN = 5
SKIP = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False, "": False}
IMAGE_ENDINGS = {b"\x89PNG": ".png", b"\xff\xd8": ".jpg", b"GIF8": ".gif", b"BM": ".bmp", b"RIFF": ".webp"}


def import_labels(project: Project, file: Path, *, annotator: str, holdout: bool) -> dict[str, int]:
    rows = list(read_rows(file))
    snapshot, classes = project.snapshot, project.classes()
    found = snapshot.find([row["id"] for _, row in rows])
    used = snapshot.primaries(np.array(list(found.values()), dtype=np.intp))
    positions = {item: int(at) for item, at in zip(found, used, strict=True) if at >= 0}
    names = dict(zip(positions, snapshot.take(list(positions.values()), ["id"])["id"].to_pylist(), strict=True))
    splits = snapshot.splits()
    problems, outside, labels, empty = [], [], [], 0
    answered: set[tuple[str, str]] = set()
    with project.ledger.begin() as tx:
        known = list_annotations(tx)
        newest = {(a.item, a.annotator): a for a in known}
        by_id = {a.id: a for a in known}
        for line, row in rows:
            item, label = row["id"], row["label"] or None
            skip = SKIP.get(str(row.get("skip") or "").strip().lower())
            if skip is None or (skip and label):
                problems.append(
                    f"line {line}: skip = {row.get('skip')!r} must be yes or no, and no where there is a label"
                )
                continue
            if label is None and not skip:
                empty += 1
                continue
            if item not in found:
                problems.append(f"line {line}: no item has the id {item!r}")
                continue
            if item not in positions:
                problems.append(f"line {line}: item {item!r} is set aside, since its content is in the holdout too")
                continue
            if label is not None and label not in classes:
                problems.append(f"line {line}: label {label!r} is not among {list(classes)}; add it to data.classes")
                continue
            split, position, item = int(splits[positions[item]]), positions[item], names[item]
            if (split == POOL) == holdout:
                outside.append(f"line {line}: item {item!r} is in the {SPLITS[split]} split")
                continue
            who = row.get("annotator") or annotator
            before = newest.get((item, who))
            if before is not None and before.label == label:
                continue
            made = _annotation(row, item, position, split, label, who, before, line, iso(project.clock()))
            if (same := by_id.get(made.id)) and (same.item, same.label) != (item, label):
                problems.append(f"line {line}: annotation_id {made.id!r} stands for another answer already")
                continue
            if (item, who) in answered:
                problems.append(f"line {line}: {who!r} answers {item!r} twice in this file, and not the same")
                continue
            answered.add((item, who))
            newest[item, who] = by_id[made.id] = made
            labels.append(made)
        _refuse(file, problems, outside, holdout)
        added = add_annotations(tx, labels, now=project.clock())
    return {"read": len(rows), "added": added, "empty": empty, "unchanged": len(rows) - added - empty}


def export_labels(project: Project, file: Path, *, round: int | None, holdout: int | None, split: str | None) -> int:
    if split is not None and (holdout is None or split not in ("validation", "test")):
        raise SettingError(f"split = {split!r} must be validation or test, and goes with holdout (how many items)")
    with project.ledger.begin() as tx:
        rounds = list_rounds(tx)
        answers = {a.item: a for a in list_annotations(tx)}
        if holdout is None and not rounds:
            raise NoSuchRound("there is no round to export yet; run `querist run` first")
        number = round if round is not None else (rounds[-1].round if rounds else 0)
        if holdout is None and number not in {r.round for r in rounds}:
            raise NoSuchRound(f"there is no round {number}; recorded rounds: {[r.round for r in rounds]}")
        asked = list_queries(tx, number) if holdout is None else []
    rows = [
        _row(q.item, {"round": q.round, "rank": q.rank + 1}, q.payload, answers.get(q.item)) for q in asked
    ] or _holdout_rows(project, holdout or 0, split or "test", set(answers))
    for row in rows:
        if image := row.get("image"):
            row["image"] = _write_image(file, image if isinstance(image, bytes) else project.artifacts.get(image))
    write_rows(file, rows)
    return len(rows)


def _holdout_rows(project: Project, wanted: int, split: str, labeled: set[str]) -> list[dict[str, Any]]:
    """Items of a split without a label, drawn at random: quality on them stands for quality on the data."""
    snapshot = project.snapshot
    codes, _ = snapshot.labels("label", project.classes()) if project.settings.data.label else (None, ())
    unknown = snapshot.primary() & (snapshot.splits() == SPLITS.index(split))
    if codes is not None:
        unknown &= codes < 0
    where = np.flatnonzero(unknown)
    order = stream(project.settings.project.seed, 0, "holdout").permutation(where)[: wanted + len(labeled)]
    found = [(item, shown) for item, shown in payloads(snapshot, order) if item not in labeled]
    if wanted > len(found):
        raise PoolExhausted(f"asked for {wanted} {split} items but only {len(found)} have no label yet")
    return [_row(item, {}, shown, None) for item, shown in found[:wanted]]


def _annotation(
    row: Mapping[str, Any],
    item: str,
    position: int,
    split: int,
    label: str | None,
    annotator: str,
    before: Annotation | None,
    line: int,
    now: str,
) -> Annotation:
    supersedes = before.id if before else None
    seconds = row.get("seconds")
    try:
        seconds = float(seconds) if seconds not in (None, "") else None
        if seconds is not None and not 0 <= seconds < float("inf"):
            raise ValueError
    except (TypeError, ValueError):
        raise DataError(
            f"line {line}: seconds = {row.get('seconds')!r} is not a number from 0 up; leave it empty if unknown"
        ) from None
    at = row.get("at") or now
    try:
        at = iso(datetime.fromisoformat(at))
    except (TypeError, ValueError):
        raise DataError(f"line {line}: at = {at!r} is no time; write it as 2026-01-31T12:00:00+00:00") from None
    return Annotation(
        id=row.get("annotation_id") or uuid5(NAMESPACE_URL, json.dumps([item, annotator, label, supersedes])).hex,
        item=item,
        position=position,
        split=SPLITS[split],
        label=label,
        annotator=annotator,
        supersedes=supersedes,
        seconds=seconds,
        note=row.get("note") or "",
        at=at,
    )


def _refuse(file: Path, problems: Sequence[str], outside: Sequence[str], holdout: bool) -> None:
    if outside:
        remedy = (
            "--holdout takes only holdout items; import pool items without it"
            if holdout
            else "holdout items never enter the loop; remove them, or import them with --holdout for evaluation only"
        )
        raise HoldoutError(f"{file}: {_some(outside)}. Nothing was imported: {remedy}")
    if problems:
        raise DataError(f"{file}: {_some(problems)}. Nothing was imported; correct these lines and import again")


def _some(problems: Sequence[str]) -> str:
    more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    return "; ".join(problems[:SHOWN]) + more


def _row(item: str, place: Mapping[str, Any], payload: Mapping[str, Any], answer: Annotation | None) -> dict[str, Any]:
    """One exported item; the columns that import reads come first."""
    row: dict[str, Any] = {
        "id": item,
        "label": answer.label if answer else None,
        "annotator": answer.annotator if answer else None,
    }
    row |= {"seconds": answer.seconds if answer else None, "note": answer.note if answer else ""}
    row |= {"skip": "yes" if answer and answer.label is None else "", **place}
    prediction = payload.get("prediction", {})
    if prediction:
        best = max(prediction, key=prediction.__getitem__)
        row |= {"predicted": best, "confidence": prediction[best]}
    for part, value in payload.items():
        if part in ("context", "columns"):
            row |= {f"{part}.{name}": content for name, content in value.items()}
        elif part != "prediction":
            row[part] = value
    return row


def _write_image(file: Path, data: bytes) -> str:
    """Puts the image beside the exported file and returns its path from there."""
    ending = next((e for start, e in IMAGE_ENDINGS.items() if data.startswith(start)), ".img")
    path = file.parent / f"{file.stem}-images" / (sha256(data)[:16] + ending)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path.relative_to(file.parent))
