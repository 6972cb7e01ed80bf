"""What the record says, as plain values: for `--json`, for the summary, and for anyone who builds on it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from querist import __version__
from querist.stages.human_labeling.step import standing
from querist.store import queue
from querist.store.annotations import list_annotations
from querist.store.models import Model, list_metrics, list_models, list_snapshot_reports
from querist.store.rounds import count_by_round, list_rounds
from querist.store.steps import Done, list_steps
from querist.training import learner_change

if TYPE_CHECKING:
    from querist.pipeline.project import Project

PARTS_OF_THE_LEARNER = ("fit", "predict")


def round_table(project: Project) -> list[dict[str, Any]]:
    """One row per round: what was asked, the labels known, the objective's metric with its interval, the time."""
    metric = project.settings.objective.metric
    with project.ledger.read() as tx:
        rounds, steps = list_rounds(tx), list_steps(tx)
        measured = {m.round: m for m in list_metrics(tx, name=metric)}
        changes = learner_changes(list_models(tx), steps)
        asked = count_by_round(tx)
    by_round: defaultdict[int, dict[str, Done]] = defaultdict(dict)
    for step in steps:
        by_round[step.round][step.name] = step
    table = []
    for r in rounds:
        own = by_round[r.round]
        found = measured.get(r.round)
        evaluated = own.get("evaluation")
        learner = sum(s.seconds_by_part.get(part, 0.0) for s in own.values() for part in PARTS_OF_THE_LEARNER)
        seconds = sum(s.seconds for name, s in own.items())
        table.append(
            {
                "round": r.round,
                "strategy": r.strategy,
                "at": r.at,
                "asked": asked.get(r.round, 0),
                "labels": own["human_labeling"].result["n_labels"] if "human_labeling" in own else None,
                "model_version": found.model_version if found else None,
                "metric": metric,
                "value": found.value if found else None,
                "low": found.low if found else None,
                "high": found.high if found else None,
                "spent": dict(evaluated.result["spent"]) if evaluated else None,
                "seconds": round(seconds, 3),
                "seconds_learner": round(learner, 3),
                "warnings": warnings_of(own.values()),
                "learner_changes": changes[r.round],
                "note": r.note,
            }
        )
    return table


def warnings_of(steps: Iterable[Done]) -> list[str]:
    return [warning for step in steps for warning in step.result.get("warnings", ())]


def trained_in(steps: Sequence[Done]) -> dict[str, int]:
    """Model version -> the round that trained it."""
    return {s.result["version"]: s.round for s in steps if s.result.get("plan", "none") != "none"}


def learner_changes(models: Sequence[Model], steps: Sequence[Done]) -> defaultdict[int, list[str]]:
    """Round -> how the learner changed in it, for models that read other features than the one before."""
    found: defaultdict[int, list[str]] = defaultdict(list)
    rounds = trained_in(steps)
    for before, after in pairwise(models):
        if change := learner_change(before.learner, after.learner):
            found[rounds[after.version]].append(change)
    return found


def status(project: Project) -> dict[str, Any]:
    with project.ledger.read() as tx:
        ingests = list_snapshot_reports(tx)
        answered = {a.item for a in standing(list_annotations(tx, split="pool"))}
        missing = queue.waiting_by_round(tx)
    table = round_table(project)
    last = next((row for row in reversed(table) if row["value"] is not None), None)
    objective = project.settings.objective
    state, reason = state_of(project, has_data=bool(ingests), missing=missing)
    spent = last_spent(project)
    return {
        "project": project.settings.project.name,
        "version": __version__,
        "state": state,
        "reason": reason,
        "snapshot": ingests[-1]["snapshot"] if ingests else None,
        "data": taken_in(ingests),
        "metric": objective.metric,
        "goal": objective.goal,
        "value": last["value"] if last else None,
        "low": last["low"] if last else None,
        "high": last["high"] if last else None,
        "labels_asked": len(answered),
        "spent": spent,
        "rounds": table,
        "digest": project.digest(),
    }


def taken_in(ingests: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What the newest ingest reports of the snapshot, and the rows of all `ingests` that added any, together: a row
    that several read counts each time. None before the first."""
    if not ingests:
        return None
    rows = {name: sum(one[name] for one in ingests) for name in ("read", "added", "repeated", "quarantined")}
    reasons = sum((Counter(one["reasons"]) for one in ingests), Counter[str]())
    return {
        **{k: v for k, v in ingests[-1].items() if k != "quarantine"},
        **rows,
        "reasons": dict(reasons),
        "ingests": len(ingests),
    }


def state_of(project: Project, *, has_data: bool, missing: Mapping[int, int]) -> tuple[str, str]:
    """(empty, waiting, stopped or ready; why); `missing` are the items of each round that need a label."""
    if not has_data:
        return "empty", "no data yet; run `querist ingest FILE`"
    if missing:
        number, count = max(missing.items())
        return "waiting", f"{count} items of round {number} need a label"
    stop = project.stop() if project.next_round() else None
    return ("stopped", stop.reason) if stop is not None else ("ready", "run `querist run` to go on")


def last_spent(project: Project) -> dict[str, float] | None:
    with project.ledger.read() as tx:
        evaluations = [s for s in list_steps(tx) if s.name == "evaluation"]
    return dict(evaluations[-1].result["spent"]) if evaluations else None


def write_summary(project: Project, comparison: Mapping[str, Any] | None) -> Path:
    from querist.stages.reporting.charts import learning_curve_svg
    from querist.stages.reporting.summary import summary

    folder = project.folder / "reports"
    folder.mkdir(exist_ok=True)
    found = status(project)
    chart = learning_curve_svg(found["rounds"], comparison)
    if chart is not None:
        (folder / "learning-curve.svg").write_text(chart, encoding="utf-8")
    path = folder / "summary.md"
    path.write_text(
        summary(found, project.settings.objective.model_dump(mode="json"), comparison, chart is not None),
        encoding="utf-8",
    )
    return path
