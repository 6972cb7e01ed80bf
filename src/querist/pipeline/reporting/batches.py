"""The rounds with what people did in each, and the people with what each did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from querist.pipeline.human_labeling.agreement import agreement
from querist.pipeline.record import round_table
from querist.store.answers import SKIP, Answers

if TYPE_CHECKING:
    from querist.pipeline.project import Project

MOST_CONFUSED = 5


def batches(project: Project, answers: Answers) -> list[dict[str, Any]]:
    """Rows of `round_table` with answers, skips, people, hours (measured), median_seconds and per_hour."""
    by_round, none = answers.by(answers.round), answers[:0]
    return [{**row, **effort_of(by_round.get(row["round"], none))} for row in round_table(project)]


def people(project: Project, answers: Answers) -> dict[str, Any]:
    """{"annotators": what each person did, "agreement": how far they agree, None where nobody shared an item}."""
    by_person = {answers.annotators[who]: own for who, own in answers.by(answers.who).items()}
    found = agreement(project, shared=True)
    known = {row["annotator"]: row for row in found["annotators"]}
    rows = [
        {
            "annotator": name,
            **effort_of(own),
            **{part: known.get(name, {}).get(part) for part in ("agreement", "gold")},
        }
        for name, own in sorted(by_person.items())
    ]
    kept = ("shared_items", "raw", "alpha", "cohen", "fleiss")
    shared = None
    if found["shared_items"]:
        shared = {part: found[part] for part in kept}
        shared |= {"disputed": len(found["disputed"]), "confused": found["confused"][:MOST_CONFUSED]}
    return {"annotators": rows, "agreement": shared}


def labels(answers: Answers) -> list[dict[str, Any]]:
    """How many answers gave each label, most first; a skip gives none."""
    counts = np.bincount(answers.what[answers.what != SKIP], minlength=len(answers.labels))
    return [{"label": answers.labels[at], "answers": int(counts[at])} for at in np.argsort(-counts, kind="stable")]


def effort_of(answers: Answers) -> Mapping[str, Any]:
    timed = answers.seconds[answers.seconds > 0]
    total = float(timed.sum())
    return {
        "answers": len(answers),
        "skips": int((answers.what == SKIP).sum()),
        "people": len(np.unique(answers.who)),
        "hours": total / 3600 if len(timed) else None,
        "median_seconds": float(np.median(timed)) if len(timed) else None,
        "per_hour": len(timed) * 3600 / total if len(timed) else None,
    }
