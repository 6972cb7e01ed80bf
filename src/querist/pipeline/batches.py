"""The rounds with what people did in each, and the people with what each did."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from querist.pipeline.agreement import agreement
from querist.pipeline.record import round_table
from querist.store.answers import Answer

if TYPE_CHECKING:
    from querist.pipeline.project import Project

MOST_CONFUSED = 5


def batches(project: Project, answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """Rows of `round_table` with answers, skips, people, hours (measured), median_seconds and per_hour."""
    by_round: defaultdict[int, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_round[answer.round].append(answer)
    return [{**row, **_effort(by_round[row["round"]])} for row in round_table(project)]


def people(project: Project, answers: Sequence[Answer]) -> dict[str, Any]:
    """{"annotators": what each person did, "agreement": how far they agree, None where nobody shared an item}."""
    by_person: defaultdict[str, list[Answer]] = defaultdict(list)
    for answer in answers:
        by_person[answer.annotator].append(answer)
    found = agreement(project, shared=True)
    known = {row["annotator"]: row for row in found["annotators"]}
    rows = [
        {
            "annotator": name,
            **_effort(own),
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


def labels(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """How many answers gave each label, most first; a skip gives none."""
    return [{"label": label, "answers": n} for label, n in Counter(a.label for a in answers if a.label).most_common()]


def _effort(answers: Sequence[Answer]) -> Mapping[str, Any]:
    timed = [a.seconds for a in answers if a.seconds]
    total = sum(timed)
    return {
        "answers": len(answers),
        "skips": sum(a.label is None for a in answers),
        "people": len({a.annotator for a in answers}),
        "hours": total / 3600 if timed else None,
        "median_seconds": median(timed) if timed else None,
        "per_hour": len(timed) * 3600 / total if total else None,
    }
