"""What the metrics are at this moment, out of the ledger alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from querist import __version__
from querist.config.loop import ObjectiveSettings
from querist.pipeline.metrics.catalogue import SECONDS_UP_TO
from querist.pipeline.monitoring.drift_status import CHECK, alarm_of
from querist.pipeline.record import trained_in
from querist.stages.evaluation.step import spending
from querist.store import pace, queue
from querist.store.analyses import list_analyses
from querist.store.annotations import effort
from querist.store.ledger import Tx
from querist.store.models import list_metrics, list_models
from querist.store.rounds import count_queries, newest_round
from querist.store.steps import list_steps

if TYPE_CHECKING:
    from querist.pipeline.project import Project

BUDGETS = {"labels": "budget_labels", "money": "budget_money", "hours": "budget_hours"}


class Value(NamedTuple):
    """One series: the metric, its labels besides `project`, in the order of the catalogue, and its value."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


class Distribution(NamedTuple):
    """A histogram: how many are at most so much (the last: all), and the sum of all."""

    name: str
    buckets: tuple[tuple[float, int], ...]
    sum: float


def measure(project: Project) -> list[Value | Distribution]:
    """Every series that there is now. Takes well under a second for hundreds of thousands of annotations."""
    with project.ledger.read() as tx:
        return [
            Value("querist_info", 1.0, (__version__,)),
            *_labeling(tx),
            *_batch(tx),
            *_agreement(tx),
            *_budget(tx, project.settings.objective),
            *_model(tx, project),
            *_drift(tx, project),
        ]


def _labeling(tx: Tx) -> Iterator[Value | Distribution]:
    times = pace.answer_times(tx, SECONDS_UP_TO)
    yield Value("querist_answers_total", times.answers)
    bounds = (*SECONDS_UP_TO, float("inf"))
    buckets = tuple(zip(bounds, accumulate(times.counts), strict=True))
    yield Distribution("querist_answer_seconds", buckets, times.seconds)
    yield Value("querist_queue_items", queue.waiting(tx))
    if (opened := pace.oldest_waiting(tx)) is not None:
        yield Value("querist_queue_oldest_timestamp_seconds", _unix(opened))


def _batch(tx: Tx) -> Iterator[Value]:
    number = newest_round(tx)
    if number is None:
        return
    items = count_queries(tx, number)
    yield Value("querist_round", number)
    yield Value("querist_batch_items", items)
    yield Value("querist_batch_answered_items", items - queue.waiting(tx, round=number))
    for one in (number, number - 1):
        batch = pace.batch_answers(tx, one)
        if batch.first and batch.newest and batch.first < batch.newest:
            hours = (_unix(batch.newest) - _unix(batch.first)) / 3600
            yield Value("querist_batch_answers_per_hour", (batch.answers - 1) / hours)
            return


def _agreement(tx: Tx) -> Iterator[Value]:
    for statistic, value in agreement_of(pace.shared_labels(tx)).items():
        yield Value("querist_agreement", value, (statistic,))


def agreement_of(given: Iterable[tuple[str, str, int]]) -> dict[str, float]:
    """raw and alpha, as `stages.human_labeling.agreement` has them of a table, from (item, label, how many gave it).

    Whatever the answers do not determine is left out. O(n).
    """
    votes: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    for item, label, n in given:
        votes[item].append((label, n))
    pairs, same, weighted, often = 0, 0, 0.0, Counter[str]()
    for told in votes.values():
        people = sum(n for _, n in told)
        if people > 1:
            agreed = sum(n * (n - 1) for _, n in told)
            pairs, same, weighted = pairs + people * (people - 1), same + agreed, weighted + agreed / (people - 1)
            often.update(dict(told))
    if not pairs:
        return {}
    answers = often.total()
    chance = sum(n * (n - 1) for n in often.values()) / (answers * (answers - 1))
    found = {"raw": same / pairs}
    return found if chance == 1 else found | {"alpha": (weighted / answers - chance) / (1 - chance)}


def _budget(tx: Tx, objective: ObjectiveSettings) -> Iterator[Value]:
    spent = spending(effort(tx), objective)
    yield Value("querist_labels", spent.labels)
    for resource, setting in BUDGETS.items():
        took, limit = getattr(spent, resource), getattr(objective, setting)
        yield Value("querist_spent", took, (resource,))
        if limit is not None:
            yield Value("querist_budget", limit, (resource,))
            yield Value("querist_budget_left", max(limit - took, 0.0), (resource,))


def _model(tx: Tx, project: Project) -> Iterator[Value]:
    """Of the newest model that was evaluated, since what is not evaluated is not in use."""
    objective, settings = project.settings.objective, project.settings.evaluation
    if objective.goal is not None:
        yield Value("querist_objective_goal", objective.goal, (objective.metric,))
    steps = list_steps(tx)
    evaluated = max((s.round for s in steps if s.name == "evaluation"), default=None)
    if evaluated is None:
        return
    yield Value("querist_round_evaluated", evaluated)
    metrics = {m.name: m for m in list_metrics(tx, evaluated)}
    if (goal := metrics.get(objective.metric)) is not None:
        yield Value("querist_objective", goal.value, (goal.name,))
        if goal.low is not None and goal.high is not None:
            yield Value("querist_objective_low", goal.low, (goal.name,))
            yield Value("querist_objective_high", goal.high, (goal.name,))
    for name in settings.metrics:
        if name in metrics:
            yield Value("querist_holdout", metrics[name].value, (name,))
    if "ece" in metrics:
        limit = max(metrics["ece_limit"].value, settings.calibration_tolerance)
        yield Value("querist_calibration_error", metrics["ece"].value)
        yield Value("querist_calibration_error_limit", limit)
    model = [m for m in list_models(tx) if m.round <= evaluated][-1]
    yield Value("querist_model_info", 1.0, (model.version,))
    yield Value("querist_model_labels", model.n_labels)
    yield Value("querist_model_trained_timestamp_seconds", _unix(model.at))
    trained = trained_in(steps)[model.version]
    seconds = sum(s.seconds for s in steps if s.round == trained and s.result.get("version") == model.version)
    yield Value("querist_training_seconds", seconds)


def _drift(tx: Tx, project: Project) -> Iterator[Value]:
    newest = list_analyses(tx, CHECK, last=1)
    if not newest:
        return
    found = newest[0].result
    for test in found["tests"]:
        yield Value("querist_drift", test["value"], (test["name"],))
        yield Value("querist_drift_threshold", test["threshold"], (test["name"],))
    yield Value("querist_drift_windows_over", found["in_a_row"])
    yield Value("querist_drift_alarm", alarm_of(tx, found["model_version"], project.settings.monitoring).open)
    yield Value("querist_drift_checked_timestamp_seconds", _unix(newest[0].at))


def _unix(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
