"""What people took back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from querist.stages.human_labeling.step import is_ruling
from querist.store.annotations import Annotation

Act: TypeAlias = tuple[str, str, bool]
"""Item, annotator, and whether it is a ruling: of the answers of one act the newest counts."""


def act_of(a: Annotation) -> Act:
    return a.item, a.annotator, is_ruling(a)


def newest_of(known: Iterable[Annotation]) -> dict[Act, Annotation]:
    """The newest of each act, an answer or its undo, whoever undid it; `known` in the order it arrived."""
    found: dict[Act, Annotation] = {}
    acts: dict[str | None, Act] = {}
    for a in known:
        act = acts.get(a.supersedes) if a.kind == "undo" else act_of(a)
        if act and (a.kind != "undo" or found[act].id == a.supersedes):
            found[act] = a
            acts[a.id] = act
    return found


def undone(known: Iterable[Annotation]) -> Mapping[tuple[str, str, bool, str | None], str]:
    """(*act, label) -> when it was undone, for what was not said again since; `known` in the order it arrived.

    Who undoes a corrected answer takes back the first one, too.
    """
    found: dict[tuple[str, str, bool, str | None], str] = {}
    acts: dict[str | None, Act] = {}
    said: dict[Act, list[Annotation]] = {}
    for a in known:
        if a.kind == "undo":  # not always by the one who answered
            act = acts.get(a.supersedes)
            if act and said[act] and said[act][-1].id == a.supersedes:
                found |= {(*act, one.label): a.at for one in said[act]}
                said[act].clear()
        else:
            act = acts[a.id] = act_of(a)
            said.setdefault(act, []).append(a)
            found.pop((*act, a.label), None)
    return found
