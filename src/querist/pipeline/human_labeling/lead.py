"""What a lead sees of the loop and the team: where it stands, who holds what, how each annotator does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from querist.asking import may_stay_open
from querist.config.loop import ObjectiveSettings
from querist.core.label_sets import LabelSets, label_of
from querist.pipeline.human_labeling.agreement import agreement
from querist.pipeline.record import round_table
from querist.stages.evaluation.step import spending
from querist.stages.evaluation.stopping import Spent
from querist.stages.human_labeling.anchoring import LEAST, Follows, pull
from querist.stages.human_labeling.step import is_gold, is_ruling, standing
from querist.store import audit, queue
from querist.store.annotations import Annotation, effort, list_annotations
from querist.store.ledger import iso
from querist.store.pace import seconds_by_round
from querist.store.rounds import Query, count_queries, get_queries, get_round, list_queries, list_rounds, newest_round

if TYPE_CHECKING:
    from querist.pipeline.project import Project

SHOWN = 50
DAYS = 7


def overview(project: Project) -> dict[str, Any]:
    """The open round and how far it is, all rounds with the time their answers took, and what labeling has cost."""
    with project.ledger.read() as tx:
        number = newest_round(tx)
        opened = None if number is None else get_round(tx, number)
        total = 0 if number is None else count_queries(tx, number)
        left = queue.waiting(tx, round=number)
        open_then = 0 if number is None else may_stay_open(tx, number, project.settings)
        asked, took = effort(tx), seconds_by_round(tx)
    objective = project.settings.objective
    rounds = [{**row, "labeling_seconds": took.get(row["round"])} for row in round_table(project)]
    return {
        "round": number,
        "opened_at": opened.at if opened else None,
        "model_version": opened.model_version if opened else None,
        "total": total,
        "done": total - left,
        "left": left,
        "left_to_start": max(left - open_then, 0),
        "answers": asked.labels,
        "rounds": rounds,
        "metric": objective.metric,
        "goal": objective.goal,
        "last": next((row for row in reversed(rounds) if row["value"] is not None), None),
        "budget": _budget(spending(asked, objective), objective),
        "currency": objective.currency,
    }


def round_numbers(project: Project) -> list[int]:
    with project.ledger.read() as tx:
        return [r.round for r in list_rounds(tx)]


def who_has_what(project: Project) -> dict[str, Any]:
    """{"people": who holds items under lease, "waiting": how many items want answers, "items": the first of them}."""
    now = project.clock()
    with project.ledger.read() as tx:
        held = queue.holders(tx, now=now)
        open_ = queue.open_items(tx)
        asked = get_queries(tx, open_[:SHOWN])
    holders: dict[str, list[str]] = {}
    people: dict[str, dict[str, Any]] = {}
    for lease in held:
        who = people.setdefault(
            lease["annotator"], {"items": 0, "since": lease["given_at"], "until": lease["expires_at"]}
        )
        who["items"] += 1
        who["since"] = min(who["since"], lease["given_at"])
        who["until"] = max(who["until"], lease["expires_at"])
        holders.setdefault(lease["item"], []).append(lease["annotator"])
    return {
        "people": [{"annotator": name, **found} for name, found in people.items()],
        "waiting": len(open_),
        "free": len(open_) - len(holders),
        "items": [
            {
                "item": item,
                "round": asked[item].round,
                "rank": asked[item].rank + 1,
                "wanted": asked[item].wanted,
                "held_by": holders.get(item, []),
            }
            for item in open_[:SHOWN]
        ],
    }


def release(project: Project, annotator: str, *, by: str) -> int:
    """Ends all leases of a person, so that others may have the items, and says how many."""
    now = project.clock()
    with project.ledger.begin() as tx:
        n = queue.release(tx, annotator, now=now)
        if n:
            audit.note(tx, by, "leases released", now=now, user=annotator, items=str(n))
    return n


def people(project: Project) -> dict[str, Any]:
    """{"people": a row for each annotator, "days": the last seven, "anchoring": whether they follow the model}.

    Rulings of leads are no answers. Days are those of UTC; `per_hour` counts measured time alone.
    """
    now = project.clock()
    with project.ledger.read() as tx:
        given = [a for a in list_annotations(tx, split="pool") if not is_ruling(a)]
        asked = list_queries(tx)
    known = {row["annotator"]: row for row in agreement(project)["annotators"]}
    days = [iso(now - timedelta(days=ago))[:10] for ago in range(DAYS)]
    stand = standing(given)
    per_day = Counter((a.annotator, a.at[:10]) for a in stand)
    total, skips = Counter(a.annotator for a in stand), Counter(a.annotator for a in stand if a.label is None)
    newest = {a.annotator: a.at for a in stand}
    timed = Counter(a.annotator for a in stand if a.seconds)
    seconds: Counter[str] = Counter()
    for a in stand:
        seconds[a.annotator] += a.seconds or 0.0  # type: ignore[assignment]  # a Counter adds floats as well
    rows = [
        {
            "annotator": name,
            "today": per_day[name, days[0]],
            "answers": total[name],
            "skips": skips[name],
            "per_hour": timed[name] * 3600 / seconds[name] if seconds[name] else None,
            "days": [per_day[name, day] for day in days],
            "last": newest[name],
            **{part: known.get(name, {}).get(part) for part in ("median_seconds", "agreement", "gold")},
        }
        for name in sorted(total)
    ]
    return {"people": rows, "days": days, "anchoring": anchoring(given, asked, project.settings.data.sets)}


def anchoring(given: Sequence[Annotation], asked: Sequence[Query], sets: LabelSets | None = None) -> dict[str, Any]:
    """How often people say what the model says, where they saw it before they answered and where they did not.

    Only a person's first answer to an item counts: a second one was given with the model's word in mind.
    """
    first = {q.item: label_of(p, sets) for q in asked if (p := q.payload.get("prediction"))}
    same: Counter[bool] = Counter()
    answers: Counter[bool] = Counter()
    for a in given:
        if a.kind == "answer" and a.supersedes is None and a.label is not None and "shown" in a.details:
            if is_gold(a) or a.item not in first:
                continue
            before = a.details["shown"] == "before"
            answers[before] += 1
            same[before] += a.label == first[a.item]
    seen, blind = Follows(same[True], answers[True]), Follows(same[False], answers[False])
    found = pull(seen, blind)
    return {
        "before": _side(seen),
        "blind": _side(blind),
        "pull": None if found is None else dict(zip(("value", "low", "high"), found, strict=True)),
        "least": LEAST,
    }


def _side(follows: Follows) -> dict[str, Any]:
    if not follows.answers:
        return {"answers": 0, "value": None, "low": None, "high": None}
    value, low, high = follows.share()
    return {"answers": follows.answers, "value": value, "low": low, "high": high}


def _budget(spent: Spent, objective: ObjectiveSettings) -> list[Mapping[str, Any]]:
    """What was spent of each budget, and of money and hours even without one, where they are known."""
    rows = [
        {"what": "labels", "spent": spent.labels, "of": objective.budget_labels},
        {"what": "money", "spent": spent.money, "of": objective.budget_money},
        {"what": "hours", "spent": spent.hours, "of": objective.budget_hours},
    ]
    return [row for row in rows if row["what"] == "labels" or row["of"] is not None or row["spent"]]
