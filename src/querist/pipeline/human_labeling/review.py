"""What a lead looks at and settles: disputed items, remarks, and labels that deserve a second look."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from querist.core.errors import DataError, UnknownName
from querist.core.label_sets import LabelSets, confidence_of, label_of
from querist.core.types import Probabilities
from querist.pipeline.human_labeling.agreement import agreement
from querist.pipeline.human_labeling.seen import seen_of
from querist.pipeline.unasked import least_sure
from querist.stages.human_labeling.relabel import relabel_or_new
from querist.stages.human_labeling.resolve import resolve, sort_out, tabulate
from querist.stages.human_labeling.step import is_gold, is_ruling, standing, vote_of
from querist.store import queue
from querist.store.annotations import Annotation, add_annotations, annotations_of, list_annotations
from querist.store.ledger import iso
from querist.store.rounds import Query, get_queries, list_queries

if TYPE_CHECKING:
    from querist.pipeline.project import Project

AT_ONCE = 20
MOST_REMARKS = 200
MOST_RANKED = 50


def disputed(project: Project, *, start: int = 0) -> dict[str, Any]:
    """{"total", "start", "next", "items"}: items with different labels that no ruling has settled, as cards."""
    found = agreement(project)["disputed"]
    end = start + AT_ONCE
    return {
        "total": len(found),
        "start": start,
        "next": end if end < len(found) else None,
        "items": cards(project, found[start:end]),
    }


def cards(project: Project, items: Sequence[str]) -> list[dict[str, Any]]:
    """Each item as the annotators saw it, what the model thought of it, who said what, and the ruling if there is one.

    An item that nobody asked or answered has no card.
    """
    with project.ledger.read() as tx:
        asked = get_queries(tx, items)
        said: dict[str, list[Annotation]] = {}
        for a in standing(annotations_of(tx, items)):
            if a.split == "pool":
                said.setdefault(a.item, []).append(a)
    payloads = _unasked(project, {item: said[item][0].position for item in said if item not in asked})
    payloads |= {item: query.payload for item, query in asked.items()}
    sets = project.settings.data.sets
    return [
        _card(item, payloads[item], asked.get(item), said.get(item, ()), sets) for item in items if item in payloads
    ]


def remarks(project: Project) -> dict[str, Any]:
    """{"total", "rows"}: answers with a flag, a note, or a skip in place of a label, newest first."""
    with project.ledger.read() as tx:
        given = [a for a in standing(list_annotations(tx, split="pool")) if not is_ruling(a)]
        found = [a for a in given if a.label is None or a.note or a.details.get("flag")]
        shown = sorted(found, key=lambda a: a.at, reverse=True)[:MOST_REMARKS]
        asked = get_queries(tx, {a.item for a in shown})
    rows = [{"item": a.item, "text": _text(asked.get(a.item)), **_answer(a)} for a in shown]
    return {"total": len(found), "rows": rows}


def rulings(project: Project) -> list[dict[str, Any]]:
    """The rulings that stand, newest first."""
    with project.ledger.read() as tx:
        given = [a for a in standing(list_annotations(tx, split="pool")) if is_ruling(a)]
    return [{"item": a.item, **_answer(a)} for a in sorted(given, key=lambda a: a.at, reverse=True)]


def rule(project: Project, item: str, label: str | None, *, by: str) -> None:
    """Settles an item: from now on this label alone counts, or none where it is None. To repeat it changes nothing.

    Raises UnknownName for a label that the project does not have, DataError for an item that nobody asked or answered.
    """
    classes, now, sets = project.classes(), project.clock(), project.settings.data.sets
    if label is not None and sets is not None:
        label = sets.canonical(label, classes)
    elif label is not None and label not in classes:
        raise UnknownName("label", label, classes)
    with project.ledger.begin() as tx:
        queue.line_up(tx, [item])
        known = [a for a in annotations_of(tx, [item]) if a.split == "pool"]
        place: Annotation | Query | None = known[0] if known else get_queries(tx, [item]).get(item)
        if place is None:
            raise DataError(f"item {item!r} was neither asked nor answered; take one from the review page")
        in_force = _in_force(known)
        if in_force and in_force[-1].label == label:
            return
        before = next((a for a in reversed(known) if is_ruling(a)), None)
        said = [item, by, label, before.id if before else None]
        made = Annotation(
            id=uuid5(NAMESPACE_URL, json.dumps(["ruling", *said])).hex,
            item=item,
            position=place.position,
            split="pool",
            label=label,
            annotator=by,
            supersedes=before.id if before else None,
            at=iso(now),
            details={"adjudicated": True},
        )
        add_annotations(tx, [made], now=now)


def take_back(project: Project, item: str, *, by: str) -> None:
    """Undoes the ruling on an item: what the annotators said counts again."""
    now = project.clock()
    with project.ledger.begin() as tx:
        queue.line_up(tx, [item])
        undone = [_undo(ruling, by, now) for ruling in _in_force(annotations_of(tx, [item]))]
        add_annotations(tx, undone, now=now)


def relabel_or_wait(project: Project) -> dict[str, Any]:
    """{"labeled", "new", "pool", "rows"}: labeled items, items that wait and those of the pool that the model is least
    sure of, in one order, first the one that the next answer would help most.

    What the model thinks of an item is what it thought when it asked for it, or scored the pool last, before it had
    seen any label of it. Items that were asked without a prediction are left out, and so are those that a ruling has
    settled. Of items with several labels there is no such order yet: rows are empty.
    """
    if project.settings.data.sets is not None:
        return {"labeled": 0, "new": 0, "pool": 0, "rows": []}
    with project.ledger.read() as tx:
        asked = [q for q in list_queries(tx) if q.payload.get("prediction")]
        answers = [a for a in standing(list_annotations(tx, split="pool")) if not is_gold(a)]
        open_ = set(queue.open_items(tx))
        positions, opinions = least_sure(project, tx, AT_ONCE)
    classes = project.classes()
    votes, ruled = sort_out(map(vote_of, answers))
    labeled = {item: given for item, given in votes.items() if item not in ruled and any(v.label for v in given)}
    old = [q for q in asked if q.item in labeled]
    new = [q for q in asked if q.item in open_ and q.item not in votes and q.item not in ruled]
    if not old:
        return {"labeled": 0, "new": len(new), "pool": len(positions), "rows": []}
    table = tabulate({q.item: labeled[q.item] for q in old}, classes)
    unasked = _columns(opinions, classes, table.labels)
    fresh = np.concatenate([_proba(new, table.labels), unasked])
    again, first, consensus = relabel_or_new(table.codes, _proba(old, table.labels), fresh)
    rows = [
        {**_ranked(q, score), "label": table.labels[code], "answers": sum(v.label is not None for v in labeled[q.item])}
        for q, score, code in zip(old, again, consensus, strict=True)
    ]
    rows += [
        {**_ranked(q, score), "label": None, "answers": 0} for q, score in zip(new, first[: len(new)], strict=True)
    ]
    pool = zip(positions.tolist(), unasked, first[len(new) :], strict=True)
    rows += [
        {
            "position": position,
            "round": None,
            "score": float(score),
            "predicted": table.labels[int(row.argmax())],
            "confidence": float(row.max()),
            "label": None,
            "answers": 0,
        }
        for position, row, score in pool
    ]
    rows.sort(key=lambda row: -row["score"])
    shown = _named(project, rows[:MOST_RANKED])
    return {"labeled": len(old), "new": len(new), "pool": len(positions), "rows": shown}


def _named(project: Project, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, each item of the pool with its id and text in place of its position."""
    snapshot, places = project.snapshot, [row["position"] for row in rows if "position" in row]
    wanted = [name for name in ("id", "text") if name in snapshot.columns()]
    found = iter(snapshot.take(np.array(places, dtype=np.intp), wanted).to_pylist() if places else ())
    named = []
    for row in rows:
        if "position" in row:
            known = next(found)
            row = {**row, "item": known["id"], "text": known.get("text") or ""}
        named.append({name: value for name, value in row.items() if name != "position"})
    return named


def _columns(proba: Probabilities, classes: Sequence[str], labels: Sequence[str]) -> Probabilities:
    """(n_items, len(labels)): the columns of `classes`, of which the last may have come later, in another order."""
    known = {name: column for column, name in enumerate(classes[: proba.shape[1]])}
    columns = [proba[:, known[name]] if name in known else np.zeros(len(proba)) for name in labels]
    return np.stack(columns, axis=1).astype(np.float64)


def _proba(asked: Sequence[Query], classes: Sequence[str]) -> Probabilities:
    """(n_items, n_classes) what the record kept of the model's opinion: the likeliest classes; the others share the
    rest."""
    proba = np.zeros((len(asked), len(classes)))
    for row, query in enumerate(asked):
        kept = {name: p for name, p in query.payload["prediction"].items() if name in classes}
        rest = max(1 - sum(kept.values()), 0.0) / max(len(classes) - len(kept), 1)
        proba[row] = [kept.get(name, rest) for name in classes]
    proba /= np.maximum(proba.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    return proba


def _ranked(query: Query, score: float) -> dict[str, Any]:
    prediction: Mapping[str, float] = query.payload["prediction"]
    predicted = max(prediction, key=prediction.__getitem__)
    return {
        "item": query.item,
        "text": _text(query),
        "round": query.round,
        "score": float(score),
        "predicted": predicted,
        "confidence": prediction[predicted],
    }


def _in_force(said: Sequence[Annotation]) -> list[Annotation]:
    return [a for a in standing(said) if is_ruling(a)]


def _undo(ruling: Annotation, by: str, now: datetime) -> Annotation:
    return ruling._replace(
        id=uuid5(NAMESPACE_URL, json.dumps(["no ruling", ruling.id])).hex,
        label=None,
        annotator=by,
        supersedes=ruling.id,
        at=iso(now),
        kind="undo",
    )


def _unasked(project: Project, positions: Mapping[str, int]) -> dict[str, Mapping[str, Any]]:
    """What a person would see of items that came with their labels and that no round asked."""
    if not positions:
        return {}
    from querist.snapshots.payload import keep_image, payloads

    found = payloads(project.snapshot, np.array(list(positions.values()), dtype=np.intp))
    return {item: keep_image(payload, project.artifacts) for item, payload in found}


def _card(
    item: str, payload: Mapping[str, Any], query: Query | None, said: Sequence[Annotation], sets: LabelSets | None
) -> dict[str, Any]:
    votes = [a for a in said if not is_ruling(a)]
    ruled = _in_force(said)
    given = Counter(a.label for a in votes if a.label is not None)
    return {
        "item": item,
        **seen_of(payload),
        "prediction": dict(payload.get("prediction") or {}),
        "model": _opinion(payload.get("prediction"), sets),
        "reason": payload.get("reason", ""),
        "round": query.round if query else None,
        "answers": [_answer(a) for a in votes],
        "given": [label for label, _ in given.most_common()],
        "resolved": _resolved(votes, sets),
        "ruling": _answer(ruled[-1]) if ruled else None,
    }


def _opinion(prediction: Mapping[str, float] | None, sets: LabelSets | None) -> dict[str, Any] | None:
    """What the model said, and how sure it was; of several labels, of the one it was least sure about."""
    if not prediction:
        return None
    return {"label": label_of(prediction, sets), "confidence": confidence_of(prediction, sets)}


def _resolved(votes: Sequence[Annotation], sets: LabelSets | None) -> list[str]:
    """Of several labels those that most people gave."""
    label = None if sets is None else next(iter(resolve(map(vote_of, votes), sets=sets).values()), None)
    return [] if sets is None or label is None else list(sets.names(label))


def _answer(a: Annotation) -> dict[str, Any]:
    return {
        "annotator": a.annotator,
        "label": a.label,
        "note": a.note,
        "flag": bool(a.details.get("flag")),
        "reason": str(a.details.get("reason", "")),
        "at": a.at,
    }


def _text(query: Query | None) -> str:
    return "" if query is None else str(query.payload.get("text") or "")
