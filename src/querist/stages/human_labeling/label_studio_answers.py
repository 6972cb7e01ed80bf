"""Answers that people gave here, as Label Studio's annotations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from querist.core.label_sets import LabelSets
from querist.stages.human_labeling.label_studio import (
    SOURCE,
    Control,
    chains_of,
    choices,
    label_of_annotation,
    place_of,
    root_of,
)
from querist.stages.human_labeling.step import is_ruling, standing
from querist.store.annotations import Annotation


def annotation_of(
    answer: Annotation, control: Control, *, accounts: Mapping[str, int], sets: LabelSets | None = None
) -> dict[str, Any]:
    """An answer as Label Studio takes it; a lead's ruling is ground truth. `accounts` are numbers by e-mail address
    in lower case: who has none answers in the name of the account that sends."""
    chosen = [] if answer.label is None else [answer.label] if sets is None else list(sets.names(answer.label))
    made = {
        "result": choices(chosen, control),
        "was_cancelled": answer.label is None,
        "lead_time": answer.seconds,
        "ground_truth": is_ruling(answer),
    }
    number = accounts.get(answer.annotator.casefold())
    return made if number is None else {**made, "completed_by": number}


def unique_ids(answer: Annotation, task: Mapping[str, Any]) -> list[str]:
    """What an answer's annotation may be called, best first: by the id of the answer, where that is a UUID.

    Label Studio takes each id once, in whatever project: where a copy of this one was first, and for other ids, the
    name is made of the task, too.
    """
    made = str(uuid5(NAMESPACE_URL, f"querist:{place_of(task)}:{answer.id}"))
    try:
        return [str(UUID(answer.id)), made]
    except ValueError:
        return [made]


def from_here(said: Sequence[Annotation]) -> list[Annotation]:
    """Answers that did not come from Label Studio."""
    return [row for row in said if row.kind == "answer" and SOURCE not in row.details]


def to_send(said: Sequence[Annotation], sent: Mapping[str, str]) -> list[Annotation]:
    """Of all that was said of an item the answers from here that stand and were not sent; `sent` as in `chains_of`.

    What corrects an answer that was given there would be a second one of the same person there, and is not sent.
    """
    known = {row.id: row for row in said}

    def first(row: Annotation) -> Annotation:
        for _ in said:
            row = known.get(row.supersedes or "", row)
        return row

    return [row for row in from_here(standing(said)) if row.id not in sent and SOURCE not in first(row).details]


def to_withdraw(
    task: Mapping[str, Any],
    said: Sequence[Annotation],
    sent: Mapping[str, str],
    control: Control,
    *,
    classes: Sequence[str],
    sets: LabelSets | None = None,
) -> list[int]:
    """Numbers of annotations that querist sent and that were undone or corrected here since.

    One that says something else by now was changed there: it stays, and the next pull takes it.
    """
    chains, stands = chains_of(task, said, sent), {row.id for row in standing(said)}
    found = list[int]()
    for given in task["annotations"]:
        chain = chains.get(root_of(given), [])
        over = chain and chain[0].id in sent and not stands & {row.id for row in chain}
        if over and label_of_annotation(given, control, classes, sets) == (chain[-1].label, ""):
            found.append(given["id"])
    return found


def unknown(task: Mapping[str, Any], said: Sequence[Annotation], sent: Mapping[str, str]) -> bool:
    """Whether an annotation of the task might be an answer from here whose sending was never recorded."""
    known = chains_of(task, said, sent)
    lost = any(row.id not in sent for row in from_here(said))
    return lost and any(root_of(given) not in known for given in task["annotations"])
