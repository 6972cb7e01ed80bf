"""Labels in and out: what a file of them may say, and which items go into one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from querist.core.errors import DataError, HoldoutError, NoSuchRound, PoolExhausted, SettingError
from querist.core.label_sets import LabelSets
from querist.core.selection import stream
from querist.pipeline.exchange.exports import as_lists, asked_row, export_answers, write_image
from querist.pipeline.exchange.label_files import WORKSHEETS, format_of, read_rows, write_rows
from querist.snapshots.payload import payloads
from querist.snapshots.snapshot import POOL, SPLITS
from querist.stages.human_labeling.step import standing
from querist.stages.human_labeling.undone import Act, act_of, newest_of, undone
from querist.store import queue
from querist.store.annotations import Annotation, add_annotations, annotations_of, find_annotations, list_annotations
from querist.store.ledger import Tx, iso
from querist.store.rounds import get_queries, list_queries, list_rounds

if TYPE_CHECKING:
    from querist.pipeline.project import Project

SHOWN = 5
AT_ONCE = 500
SKIP = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False, "": False}
UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""What PostgreSQL or UTF-8 cannot hold."""

Rows = Sequence[tuple[str, Mapping[str, Any]]]
"""What is to be taken in, each with its place: ("line 3", {"id": ..., "label": ...})."""


@dataclass(frozen=True)
class Places:
    """Where items lie: `found` are the ids asked for, `used` the (id, position, split) that stands for each, without
    those that are set aside."""

    found: frozenset[str]
    used: Mapping[str, tuple[str, int, int]]
    classes: Sequence[str]
    sets: LabelSets | None = None

    def label_of(self, given: Any) -> str | None:  # Any: as written in the file
        """The label that a row gives, as the record has it; None where it gives none. Raises ValueError."""
        if self.sets is None:
            if isinstance(given, list) and given:
                raise ValueError(f"{len(given)} choices in one annotation; an item has one label")
            if given and given not in self.classes:
                raise ValueError(f"label {given!r} is not among {list(self.classes)}; add it to data.classes")
            return given or None
        text = json.dumps(given) if isinstance(given, list) else "" if given is None else str(given)
        if not text.strip():
            return None
        try:
            names = self.sets.names(text)
        except DataError as error:
            raise ValueError(str(error)) from None
        if strange := [name for name in names if name not in self.classes]:
            raise ValueError(f"label {strange[0]!r} is not among {list(self.classes)}; add it to data.classes")
        return self.sets.join(names)


def import_labels(project: Project, file: Path, *, annotator: str, holdout: bool) -> dict[str, int]:
    rows = list(read_rows(file))
    places = find_items(project, (row["id"] for _, row in rows))
    with project.ledger.begin() as tx:
        return take_labels(
            tx, rows, places, origin=str(file), annotator=annotator, holdout=holdout, now=project.clock()
        )


def find_items(project: Project, ids: Iterable[str]) -> Places:
    """To be asked before a transaction is open: it reads shards."""
    snapshot = project.snapshot
    found = snapshot.find(item for item in ids if not UNSTORABLE.search(item))
    at = snapshot.primaries(np.array(list(found.values()), dtype=np.intp))
    positions = {item: int(place) for item, place in zip(found, at, strict=True) if place >= 0}
    names = snapshot.take(list(positions.values()), ["id"])["id"].to_pylist()
    splits = snapshot.splits()
    used = {
        item: (name, position, int(splits[position]))
        for (item, position), name in zip(positions.items(), names, strict=True)
    }
    return Places(frozenset(found), used, project.classes(), project.settings.data.sets)


def take_labels(
    tx: Tx, rows: Rows, places: Places, *, origin: str, annotator: str, now: datetime, holdout: bool = False
) -> dict[str, int]:
    """Stores what the rows say, or raises DataError or HoldoutError naming the places that are wrong, and nothing is.

    An answer that was undone does not come back by itself: a row that says the same is that answer, unless it has an
    id of its own or a time after the undo.
    """
    problems, outside, new, empty = [], [], list[Annotation](), 0
    items = {used for used, _, _ in places.used.values()}
    queue.line_up(tx, items)
    known, asked = annotations_of(tx, items), get_queries(tx, items)
    gold = {item for item, query in asked.items() if query.payload.get("gold")}
    newest, ended = newest_of(known), undone(known)
    by_id = {a.id: a for a in _by_id(tx, [str(row["annotation_id"]) for _, row in rows if row.get("annotation_id")])}
    by_id |= {a.id: a for a in known}
    answered: set[Act] = set()
    for place, row in rows:
        try:
            item, label = row["id"], places.label_of(row["label"])
            skip = SKIP.get(str(row.get("skip") or "").strip().lower())
            if skip is None or (skip and label):
                raise ValueError(f"skip = {row.get('skip')!r} must be yes or no, and no where there is a label")
            if label is None and not skip:
                empty += 1
                continue
            if item not in places.found:
                raise ValueError(f"no item has the id {item!r}")
            if item not in places.used:
                raise ValueError(f"item {item!r} is set aside, since its content is in the holdout too")
            used, position, split = places.used[item]
            if (split == POOL) == holdout:
                outside.append(f"{place}: item {item!r} is in the {SPLITS[split]} split")
                continue
            who = str(row.get("annotator") or annotator)
            made = _annotation(row, used, position, split, label, who, newest, now)
            act = act_of(made)
            if used in gold:
                made = made._replace(details={**made.details, "gold": True})
            # A worksheet does not tell a ruling from an answer of the same person.
            acts = {act, (used, who, True)}
            if any(a is not None and a.kind == "answer" and a.label == label for a in map(newest.get, acts)):
                continue
            until = max(ended.get((*one, label), "") for one in acts)
            if until and not row.get("annotation_id") and not (row.get("at") and made.at > until):
                continue
            same = by_id.get(made.id)
            if same and (same.item, same.label, same.annotator) != (used, label, who):
                raise ValueError(f"annotation_id {made.id!r} stands for another answer already")
            if act in answered:
                raise ValueError(f"{who!r} answers {item!r} twice in this file, and not the same")
            answered.add(act)
            newest[act] = by_id[made.id] = made
            new.append(made)
        except ValueError as problem:
            problems.append(f"{place}: {problem}")
    _refuse(origin, problems, outside, holdout)
    added = add_annotations(tx, new, now=now)
    return {"read": len(rows), "added": added, "empty": empty, "unchanged": len(rows) - added - empty}


def export_labels(
    project: Project,
    file: Path,
    *,
    round: int | None = None,
    holdout: int | None = None,
    split: str | None = None,
    format: str | None = None,
    answers: bool = False,
) -> int:
    """Writes one round's items to be labeled, a draw from the holdout, or with `answers` what was answered."""
    if split is not None and (holdout is None or split not in ("validation", "test")):
        raise SettingError(f"split = {split!r} must be validation or test, and goes with holdout (how many items)")
    chosen = format or format_of(file)
    if answers and holdout is not None:
        raise SettingError("holdout draws items that have no answer, so it does not go with all answers; take one")
    if answers or (chosen not in WORKSHEETS and holdout is None):
        return export_answers(project, file, round=round, format=chosen, everything=answers)
    if chosen not in WORKSHEETS:
        raise SettingError(f"items of the holdout are written as {' or '.join(WORKSHEETS)}, not as {chosen}")
    with project.ledger.read() as tx:
        rounds = list_rounds(tx)
        given = {a.item: a for a in standing(list_annotations(tx))}
        if holdout is None and not rounds:
            raise NoSuchRound("there is no round to export yet; run `querist run` first")
        number = round if round is not None else (rounds[-1].round if rounds else 0)
        if holdout is None and number not in {r.round for r in rounds}:
            raise NoSuchRound(f"there is no round {number}; recorded rounds: {[r.round for r in rounds]}")
        asked = list_queries(tx, number) if holdout is None else []
    sets = project.settings.data.sets
    rows = [
        asked_row(q.item, {"round": q.round, "rank": q.rank + 1}, q.payload, given.get(q.item), sets) for q in asked
    ] or _holdout_rows(project, holdout or 0, split or "test", set(given))
    for row in rows:
        if image := row.get("image"):
            row["image"] = write_image(file, image if isinstance(image, bytes) else project.artifacts.get(image))
    write_rows(file, as_lists(rows, sets) if sets and chosen != "csv" else rows, chosen)
    return len(rows)


def _holdout_rows(project: Project, wanted: int, split: str, labeled: set[str]) -> list[dict[str, Any]]:
    """Items of a split without a label, drawn at random: quality on them stands for quality on the data."""
    snapshot = project.snapshot
    data = project.settings.data
    codes, _ = snapshot.labels("label", project.classes(), data.sets) if data.label else (None, ())
    unknown = snapshot.primary() & (snapshot.splits() == SPLITS.index(split))
    if codes is not None:
        unknown &= codes < 0
    where = np.flatnonzero(unknown)
    order = stream(project.settings.project.seed, 0, "holdout").permutation(where)[: wanted + len(labeled)]
    found = [(item, shown) for item, shown in payloads(snapshot, order) if item not in labeled]
    if wanted > len(found):
        raise PoolExhausted(f"asked for {wanted} {split} items but only {len(found)} have no label yet")
    return [asked_row(item, {}, shown, None) for item, shown in found[:wanted]]


def _annotation(
    row: Mapping[str, Any],
    item: str,
    position: int,
    split: int,
    label: str | None,
    annotator: str,
    newest: Mapping[Act, Annotation],
    now: datetime,
) -> Annotation:
    """Raises ValueError saying which value cannot be."""
    details = _details(row.get("details"))
    ruling = bool(details.get("adjudicated"))
    before = newest.get((item, annotator, ruling))
    supersedes = before.id if before else None
    said = [item, annotator, label, supersedes, *(["ruling"] if ruling else [])]
    made = uuid5(NAMESPACE_URL, json.dumps(said)).hex
    texts = {"annotation_id": str(row.get("annotation_id") or made), "annotator": annotator}
    texts["note"] = str(row.get("note") or "")
    for name, value in texts.items():
        if UNSTORABLE.search(value):
            raise ValueError(f"{name} holds characters that cannot be stored; remove them")
    return Annotation(
        id=texts["annotation_id"],
        item=item,
        position=position,
        split=SPLITS[split],
        label=label,
        annotator=annotator,
        supersedes=supersedes,
        seconds=_seconds(row.get("seconds")),
        note=texts["note"],
        at=_time(row.get("at"), now),
        details=details,
    )


def _seconds(given: Any) -> float | None:  # Any: as written in the file
    try:
        seconds = float(given) if given not in (None, "") else None
        if seconds is not None and not 0 <= seconds < float("inf"):
            raise ValueError
    except (TypeError, ValueError):
        raise ValueError(f"seconds = {given!r} is not a number from 0 up; leave it empty if unknown") from None
    return seconds


def _time(given: Any, now: datetime) -> str:
    try:
        return iso(datetime.fromisoformat(given)) if given else iso(now)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"at = {given!r} is no time; write it as 2026-01-31T12:00:00+00:00") from None


def _details(given: Any) -> Mapping[str, Any]:
    try:
        details = json.loads(given) if given else {}
    except (TypeError, ValueError, RecursionError):
        details = None
    if not isinstance(details, dict):
        raise ValueError('details must be a JSON object such as {"reason": "unsure"}')
    return details


def _by_id(tx: Tx, ids: Sequence[str]) -> list[Annotation]:
    parts = (ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE))
    return [found for part in parts for found in find_annotations(tx, part)]


def _refuse(origin: str, problems: Sequence[str], outside: Sequence[str], holdout: bool) -> None:
    if outside:
        remedy = (
            "--holdout takes only holdout items; import pool items without it"
            if holdout
            else "holdout items never enter the loop; remove them, or import them with --holdout for evaluation only"
        )
        raise HoldoutError(f"{origin}: {_some(outside)}. Nothing was imported: {remedy}")
    if problems:
        raise DataError(f"{origin}: {_some(problems)}. Nothing was imported; correct these lines and import again")


def _some(problems: Sequence[str]) -> str:
    more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    return "; ".join(problems[:SHOWN]) + more
