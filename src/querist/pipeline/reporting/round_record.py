"""What the record holds about each round, as plain values and as one Markdown page a round."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from querist.config import Settings
from querist.pipeline.conditions import Conditions, conditions, deciding, settings_by_key
from querist.pipeline.record import learner_changes, trained_in, warnings_of
from querist.stages.human_labeling.step import standing
from querist.stages.retraining.step import TRIGGER
from querist.store.analyses import list_analyses
from querist.store.annotations import Annotation, annotations_of
from querist.store.ledger import Tx
from querist.store.models import Metric, Model, list_metrics, list_models
from querist.store.rounds import Query, Round, get_round, list_queries, list_rounds
from querist.store.steps import Done, list_steps

if TYPE_CHECKING:
    from querist.pipeline.project import Project

FOLDER = "reports/rounds"
DEFAULTS = deciding(Settings())


@dataclass(frozen=True)
class Whole:
    """What the pages of all rounds share, read once."""

    rounds: Mapping[int, Round]
    steps: Mapping[int, Sequence[Done]]
    models: Mapping[int, Sequence[Model]]
    metrics: Mapping[int, Sequence[Metric]]
    learner_changes: Mapping[int, Sequence[str]]
    under: Mapping[tuple[int, str], Conditions]
    settings: Mapping[str, Mapping[str, Any]]


def show_round(project: Project, number: int) -> dict[str, Any]:
    """Everything the record holds about one round. Raises NoSuchRound."""
    with project.ledger.read() as tx:
        get_round(tx, number)
        return _round(tx, _whole(tx), number)


def metrics_by_round(project: Project) -> dict[int, dict[str, dict[str, Any]]]:
    """Round -> metric -> value, low, high, n_items."""
    by_round: defaultdict[int, list[Metric]] = defaultdict(list)
    with project.ledger.read() as tx:
        for metric in list_metrics(tx):
            by_round[metric.round].append(metric)
        return {r.round: _metrics(by_round[r.round]) for r in list_rounds(tx)}


def round_pages(project: Project, folder: Path | None = None) -> Iterator[tuple[Path, bool]]:
    """Writes `round-0003.md` and so on to the folder (default: reports/rounds): (file, whether it is new or changed).

    A page that says the same already is left as it is.
    """
    from querist.stages.reporting.round_page import round_page

    folder = folder or project.folder / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with project.ledger.read() as tx:
        whole = _whole(tx)
        for number in whole.rounds:
            path, page = folder / page_name(number), round_page(_round(tx, whole, number)).encode()
            changed = not path.exists() or path.read_bytes() != page
            if changed:
                path.write_bytes(page)
            yield path, changed


def page_name(number: int) -> str:
    return f"round-{number:04d}.md"


def _whole(tx: Tx) -> Whole:
    models, steps = list_models(tx), list_steps(tx)
    made = trained_in(steps)
    by_round: defaultdict[int, list[Done]] = defaultdict(list)
    models_by_round: defaultdict[int, list[Model]] = defaultdict(list)
    metrics: defaultdict[int, list[Metric]] = defaultdict(list)
    for step in steps:
        by_round[step.round].append(step)
    for model in models:
        models_by_round[made[model.version]].append(model)
    for metric in list_metrics(tx):
        metrics[metric.round].append(metric)
    return Whole(
        rounds={r.round: r for r in list_rounds(tx)},
        steps=by_round,
        models=models_by_round,
        metrics=metrics,
        learner_changes=learner_changes(models, steps),
        under=conditions(tx),
        settings=settings_by_key(tx),
    )


def _round(tx: Tx, whole: Whole, number: int) -> dict[str, Any]:
    found, steps = whole.rounds[number], whole.steps[number]
    queries = list_queries(tx, number)
    said = annotations_of(tx, {q.item for q in queries})
    stand = standing(said)
    valid = {a.id for a in stand}
    answers: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for a in said:
        kept = {k: v for k, v in a._asdict().items() if k not in ("item", "position", "split") and v not in (None, "")}
        answers[a.item].append({"label": a.label, **kept, "stands": a.id in valid})
    results = {s.name: s.result for s in steps}
    evaluated = next((s for s in steps if s.name == "evaluation"), None)
    stop = results.get("evaluation", {}).get("stop")
    times = sorted(a.at for a in stand)
    in_force = whole.settings.get(found.settings)
    return {
        **{k: v for k, v in vars(found).items() if k != "thresholds"},
        "thresholds": dict(found.thresholds),
        "queries": [_query(q, answers[q.item]) for q in queries],
        "models": [vars(m) for m in whole.models[number]],
        "learner_changes": list(whole.learner_changes[number]),
        "metrics": _metrics(whole.metrics[number]),
        "steps": [vars(s) for s in steps],
        "people": _people(stand),
        "answers": {"first": times[0] if times else None, "last": times[-1] if times else None},
        "n_labels": results.get("human_labeling", {}).get("n_labels"),
        "evaluated_at": evaluated.started_at if evaluated else None,
        "warnings": warnings_of(steps),
        "stop": stop["reason"] if stop else None,
        "settings_in_force": in_force,
        "settings_set": {name: value for name, _, value in differing(DEFAULTS, in_force)} if in_force else {},
        "libraries": _libraries(whole, number),
        "changes": list(_changes(whole, number)),
        "triggers": [{**a.result, "at": a.at} for a in list_analyses(tx, TRIGGER, round=number)],
        "metrics_before": _metrics(whole.metrics[number - 1]),
    }


def _query(q: Query, annotations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "id": q.item,
        "rank": q.rank + 1,
        "score": q.score,
        "parts": dict(q.parts),
        "strategy": q.strategy,
        "model_version": q.model_version,
        "at": q.at,
        "prediction": q.payload.get("prediction"),
        "reason": q.payload.get("reason", ""),
        "annotations": annotations,
    }


def _metrics(metrics: Sequence[Metric]) -> dict[str, dict[str, Any]]:
    return {m.name: {"value": m.value, "low": m.low, "high": m.high, "n_items": m.n_items} for m in metrics}


def _people(stand: Sequence[Annotation]) -> list[dict[str, Any]]:
    """Who answered how often; `seconds` are those measured."""
    found = []
    for name in sorted({a.annotator for a in stand}):
        own = [a for a in stand if a.annotator == name]
        skips = sum(a.label is None for a in own)
        seconds = sum(a.seconds or 0.0 for a in own)
        found.append({"annotator": name, "answers": len(own) - skips, "skips": skips, "seconds": seconds})
    return found


def _libraries(whole: Whole, number: int) -> dict[str, str]:
    steps = whole.steps[number]
    under = whole.under.get((number, steps[0].name)) if steps else None
    return dict(under.libraries) if under else {}


def _changes(whole: Whole, number: int) -> Iterator[str]:
    """What is otherwise than in the round before, a sentence each."""
    now, before = whole.rounds[number], whole.rounds.get(number - 1)
    if before is None:
        return
    old, new = whole.settings.get(before.settings), whole.settings.get(now.settings)
    if old is not None and new is not None:
        yield from (f"setting {name}: from {then!r} to {today!r}" for name, then, today in differing(old, new))
    elif before.settings != now.settings:
        yield f"settings: from {before.settings[:12]} to {now.settings[:12]}"
    if before.strategy != now.strategy and before.round > 0:
        yield f"asked by {now.strategy}, before that by {before.strategy}"
    if before.snapshot != now.snapshot:
        yield f"data: from snapshot {before.snapshot} to {now.snapshot}"
    if before.code_version != now.code_version:
        yield f"code: from querist {before.code_version} to {now.code_version}"
    for name, then, today in differing(_libraries(whole, number - 1), _libraries(whole, number)):
        yield f"{name}: from {then or 'none'} to {today or 'none'}"
    measures = _measures(whole, number - 1), _measures(whole, number)
    for name, then, today in differing(*measures) if all(measures) else ():
        yield f"weight of {name} in the score: from {_weight(then)} to {_weight(today)}"
    yield from whole.learner_changes[number]
    labels = [_labels(whole, n) for n in (number - 1, number)]
    if labels[0] is not None and labels[1] is not None:
        yield f"labels: from {labels[0]:,} to {labels[1]:,}"
    if versions := [m.version for m in whole.models[number]]:
        yield f"model: {versions[-1]} took the place of {now.model_version or 'none'}"


def differing(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(dotted name, value before, value now) where they differ."""
    for name in dict.fromkeys([*before, *now]):
        then, today = before.get(name), now.get(name)
        if isinstance(then, Mapping) and isinstance(today, Mapping):
            yield from differing(then, today, f"{prefix}{name}.")
        elif then != today:
            yield f"{prefix}{name}", then, today


def _measures(whole: Whole, number: int) -> Mapping[str, float]:
    found = {s.name: s.result for s in whole.steps[number]}.get("uncertainty_scoring", {})
    measures: Mapping[str, float] = found.get("measures", {})
    return measures


def _weight(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"


def _labels(whole: Whole, number: int) -> int | None:
    found = {s.name: s.result for s in whole.steps[number]}.get("human_labeling", {})
    return found.get("n_labels")
