"""What the labeling page asks for: items under lease, answers in, progress."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from querist.asking import CONTROL
from querist.core.errors import SettingError
from querist.core.hashing import unit_hash
from querist.pipeline.human_labeling.seen import seen_of
from querist.stages.human_labeling.step import is_ruling
from querist.store import queue
from querist.store.annotations import Annotation, add_annotations, said_before
from querist.store.ledger import Tx, iso
from querist.store.progress import progress
from querist.store.rounds import Query, count_queries, get_queries

if TYPE_CHECKING:
    from querist.pipeline.project import Project

Shown = Literal["before", "after", "never"]
Status = Literal["stored", "known", "refused"]
MOST_AT_ONCE = 100
NOTE_LENGTH = 2_000
DETAILS = {"reason": str, "flag": bool, "made_at": str}
"""What a page may tell besides the label; the rest is the server's to say."""


@dataclass(frozen=True)
class Answer:
    """What a page sends: a label, a skip (`label` None), or an undo of the annotation `supersedes`."""

    id: str
    item: str
    label: str | None = None
    seconds: float | None = None
    note: str = ""
    details: Mapping[str, Any] | None = None
    undo: bool = False
    supersedes: str | None = None


@dataclass(frozen=True)
class Result:
    id: str
    status: Status
    why: str = ""


class Desk:
    """One project's labeling, for as many people at once as like."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.settings, self.sets = project.settings.labeling, project.settings.data.sets
        self._sizes: dict[int | None, int] = {}

    @cached_property
    def labels(self) -> list[dict[str, str]]:
        """[{"name", "key"}]: keys from the settings, the others 1 to 9 and then letters that are free."""
        names, given = self.project.classes(), self.settings.keys
        for setting, named in (("keys", set(given)), ("swipe", set(self.settings.swipe.values()))):
            if strange := sorted(named - set(names)):
                raise SettingError(
                    f"labeling.{setting} names {strange[0]!r}, which is none of the labels {list(names)}"
                )
        free = (key for key in "123456789" if key not in given.values())
        return [{"name": name, "key": given.get(name) or next(free, "")} for name in names]

    def shown_to(self, annotator: str, query: Query | None = None) -> Shown:
        """When this person sees what the model thinks; "half" decides by their name, once and for all. Of items that
        were drawn at random to check the model never before the answer."""
        when = self.settings.show_prediction
        if when == "half":
            when = "before" if unit_hash(annotator) < 0.5 else "after"
        return "never" if when == "before" and query is not None and query.strategy == CONTROL else when

    def lease(self, annotator: str, tab: str, n: int) -> dict[str, Any]:
        """{"tasks": up to n items for this tab, "progress": ..., "elsewhere": ...}.

        Where there is nothing for this tab, `elsewhere` counts the open items "in_other_tabs" of the person and
        those "with_others", who hold them or whose answers they want besides.
        """
        now = self.project.clock()
        with self.project.ledger.begin() as tx:
            items = queue.lease(tx, annotator, tab, min(n, MOST_AT_ONCE), now=now, minutes=self.settings.lease_minutes)
            found = get_queries(tx, items)
            progress = self._progress(tx, annotator, now)
            elsewhere = None if items else queue.out_of_reach(tx, annotator, now=now)
        return {
            "tasks": [self._task(found[item], annotator) for item in items],
            "progress": progress,
            "elsewhere": elsewhere and dict(zip(("in_other_tabs", "with_others"), elsewhere, strict=True)),
        }

    def renew(self, annotator: str, tab: str) -> int:
        with self.project.ledger.begin() as tx:
            return queue.renew(tx, annotator, tab, now=self.project.clock(), minutes=self.settings.lease_minutes)

    def release(self, annotator: str, tab: str, items: Collection[str] | None = None) -> int:
        with self.project.ledger.begin() as tx:
            return queue.release(tx, annotator, tab=tab, items=items, now=self.project.clock())

    def submit(self, annotator: str, answers: Sequence[Answer]) -> tuple[list[Result], dict[str, Any]]:
        """What became of each answer, and the progress since. Those that are refused change nothing.

        An answer is taken from whoever was handed its item, even after the lease: the work is done. A second answer
        of the same person corrects the first.
        """
        now, names = self.project.clock(), [label["name"] for label in self.labels]
        answers = [replace(answer, label=self._as_stored(answer.label, names)) for answer in answers]
        with self.project.ledger.begin() as tx:
            items = {a.item for a in answers}
            queue.line_up(tx, items)
            asked = get_queries(tx, items)
            held = queue.ever_held(tx, annotator, items)
            same, found = said_before(tx, annotator, ids={a.id for a in answers}, items=items)
            known, standing = {a.id: a for a in same}, {a.item: a for a in found if not is_ruling(a)}
            results, new = [], []
            for answer in answers:
                why = self._refusal(answer, annotator, names, asked, held, known, standing)
                if why is None and answer.id in known:
                    results.append(Result(answer.id, "known"))
                    continue
                results.append(Result(answer.id, "refused", why) if why else Result(answer.id, "stored"))
                if why is None:
                    made = self._annotation(answer, annotator, asked[answer.item], standing, now)
                    known[made.id] = made
                    if made.kind == "undo":
                        del standing[made.item]
                    else:
                        standing[made.item] = made
                    new.append(made)
            add_annotations(tx, new, now=now)
            if undone := [a.item for a in new if a.kind == "undo" and a.item not in standing]:
                queue.hold_again(tx, annotator, undone, now=now, minutes=self.settings.lease_minutes)
            progress = self._progress(tx, annotator, now)
        return results, progress

    def _is_label(self, label: str, names: Collection[str]) -> bool:
        if self.sets is None:
            return label in names
        said = self.sets.read(label)
        return said is not None and set(said) <= set(names)

    def _as_stored(self, label: str | None, names: Collection[str]) -> str | None:
        """A set of labels in the one way it is written, in whatever order they were given."""
        if self.sets is None or label is None or not self._is_label(label, names):
            return label
        return self.sets.join(self.sets.names(label))

    def _refusal(
        self,
        answer: Answer,
        annotator: str,
        names: Collection[str],
        asked: Mapping[str, Query],
        held: Collection[str],
        known: Mapping[str, Annotation],
        standing: Mapping[str, Annotation],
    ) -> str | None:
        """Why an answer cannot be taken."""
        before = known.get(answer.id)
        if before is not None:
            same = (before.item, before.annotator, before.label) == (answer.item, annotator, answer.label)
            return None if same else "this id stands for another answer"
        if answer.item not in asked:
            return "no such item was asked"
        if answer.item not in held:
            return "this item was never handed to you"
        if answer.undo:
            now = standing.get(answer.item)
            return None if now and now.id == answer.supersedes else "there is no such answer of yours to undo"
        if answer.label is not None and not self._is_label(answer.label, names):
            return "no such label"
        if answer.seconds is not None and not (answer.seconds >= 0 and math.isfinite(answer.seconds)):
            return "seconds must be a number from 0 up"
        if len(answer.note) > NOTE_LENGTH:
            return f"a note has at most {NOTE_LENGTH} characters"
        return None

    def _annotation(
        self, answer: Answer, annotator: str, asked: Query, standing: Mapping[str, Annotation], now: datetime
    ) -> Annotation:
        told = answer.details or {}
        details = {name: told[name] for name, kind in DETAILS.items() if isinstance(told.get(name), kind)}
        if "prediction" in asked.payload:
            details["shown"] = self.shown_to(annotator, asked)
        if asked.payload.get("gold"):
            details["gold"] = True
        before = standing.get(answer.item)
        return Annotation(
            id=answer.id,
            item=answer.item,
            position=asked.position,
            split=asked.split,
            label=None if answer.undo else answer.label,
            annotator=annotator,
            supersedes=before.id if before else None,
            seconds=answer.seconds,
            note=answer.note,
            at=iso(now),
            kind="undo" if answer.undo else "answer",
            details={} if answer.undo else details,
        )

    def _task(self, query: Query, annotator: str) -> dict[str, Any]:
        payload, shown = query.payload, self.shown_to(annotator, query)
        return {
            "item": query.item,
            "round": query.round,
            "rank": query.rank + 1,
            "score": None if self.settings.gold_share else query.score,  # gold has none, and must not be told apart
            **seen_of(payload),
            "reason": payload.get("reason", ""),
            "prediction": None if shown == "never" else payload.get("prediction"),
        }

    def _progress(self, tx: Tx, annotator: str, now: datetime) -> dict[str, Any]:
        found = progress(tx, annotator, since=iso(now.replace(hour=0, minute=0, second=0, microsecond=0)))
        if found.round not in self._sizes:  # a round never grows
            self._sizes[found.round] = 0 if found.round is None else count_queries(tx, found.round)
        total = self._sizes[found.round]
        return {
            "round": found.round,
            "round_total": total,
            "round_done": total - found.waiting,
            "today": found.today,
            "mine": found.mine,
        }
