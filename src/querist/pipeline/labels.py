"""Labels in and out as files: CSV (opens in any spreadsheet) or JSONL."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from querist.core.errors import DataError, HoldoutError, NoSuchRound, PoolExhausted, SettingError
from querist.core.selection import stream
from querist.snapshots.payload import payloads
from querist.snapshots.snapshot import POOL, TEST
from querist.store.annotations import Annotation, add_annotations, list_annotations
from querist.store.artifacts import Artifacts
from querist.store.ledger import iso
from querist.store.rounds import list_queries, list_rounds

if TYPE_CHECKING:
    from querist.pipeline.project import Project

SPLIT_NAMES = ("pool", "validation", "test")
SHOWN = 5
SKIP = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False, "": False}
EXAMPLE = '{"id": "r1", "label": "positive"}'
IMAGE_ENDINGS = {b"\x89PNG": ".png", b"\xff\xd8": ".jpg", b"GIF8": ".gif", b"BM": ".bmp", b"RIFF": ".webp"}


def import_labels(project: Project, file: Path, *, annotator: str, holdout: bool) -> dict[str, int]:
    rows = list(_read(file))
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
                outside.append(f"line {line}: item {item!r} is in the {SPLIT_NAMES[split]} split")
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


def export_labels(project: Project, file: Path, *, round: int | None, holdout: int | None) -> int:
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
    ] or _holdout_rows(project, holdout or 0, set(answers))
    for row in rows:
        if "image" in row:
            row["image"] = _write_image(file, row["image"], project.artifacts)
    _write(file, rows)
    return len(rows)


def _holdout_rows(project: Project, wanted: int, labeled: set[str]) -> list[dict[str, Any]]:
    """Test items without a label, drawn at random: quality on them stands for quality on the data."""
    snapshot = project.snapshot
    codes, _ = snapshot.labels("label", project.classes()) if project.settings.data.label else (None, ())
    unknown = snapshot.primary() & (snapshot.splits() == TEST)
    if codes is not None:
        unknown &= codes < 0
    where = np.flatnonzero(unknown)
    order = stream(project.settings.project.seed, 0, "holdout").permutation(where)[: wanted + len(labeled)]
    found = [(item, shown) for item, shown in payloads(snapshot, order, project.artifacts) if item not in labeled]
    if wanted > len(found):
        raise PoolExhausted(f"asked for {wanted} holdout items but only {len(found)} have no label yet")
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
        split=SPLIT_NAMES[split],
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


def _write_image(file: Path, name: str, artifacts: Artifacts) -> str:
    """Puts the image beside the exported file and returns its path from there."""
    data = artifacts.get(name)
    ending = next((e for start, e in IMAGE_ENDINGS.items() if data.startswith(start)), ".img")
    path = file.parent / f"{file.stem}-images" / (name[:16] + ending)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path.relative_to(file.parent))


def _write(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".jsonl":
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    elif file.suffix == ".csv":
        columns = list(dict.fromkeys(name for row in rows for name in row)) or ["id", "label"]
        with file.open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, columns)
            writer.writeheader()
            writer.writerows({name: _cell(name, value) for name, value in row.items()} for row in rows)
    else:
        raise SettingError(f"cannot write labels to {file}: use a name that ends in .csv or .jsonl")


FORMULA = ("=", "+", "-", "@", "\t")


def _cell(name: str, value: Any) -> Any:
    """Item text is not trusted: a spreadsheet must not run it as a formula. `_plain` takes the quote off again."""
    if name not in ("id", "label") and isinstance(value, str) and value.startswith(FORMULA):
        return "'" + value
    return value


def _plain(value: Any) -> Any:
    return value[1:] if isinstance(value, str) and value[:1] == "'" and value[1:].startswith(FORMULA) else value


def _read(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    if not file.exists():
        raise DataError(f"{file} does not exist; name a CSV or JSONL file with the columns id and label")
    if file.suffix == ".jsonl":
        rows = _jsonl(file)
    elif file.suffix == ".csv":
        rows = _csv(file)
    else:
        raise SettingError(f"cannot read labels from {file}: use a name that ends in .csv or .jsonl")
    for line, row in rows:
        absent = {"id", "label"} - set(row)
        if absent:
            raise DataError(f"{file}, line {line}: no {sorted(absent)[0]!r} among the columns {sorted(map(str, row))}")
        yield line, {**{name: _plain(value) for name, value in row.items()}, "id": str(row["id"])}


def _csv(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(sys.maxsize)
    try:
        with file.open(newline="", encoding="utf-8-sig") as source:
            reader = csv.DictReader(source, restkey="")
            for row in reader:
                yield reader.line_num, dict(row)
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None


def _jsonl(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        if line.strip():
            try:
                row = json.loads(line.decode("utf-8-sig"))
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                raise DataError(f"{file}, line {number}: not valid JSON in UTF-8 ({error})") from None
            if not isinstance(row, dict) or not all(isinstance(v, str | int | float | None) for v in row.values()):
                raise DataError(f"{file}, line {number}: must be an object of plain values, e.g. {EXAMPLE}")
            yield number, row
