"""The loop: round after round until labels are missing, or a goal or a budget is reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from querist import __version__
from querist.core.errors import SettingError
from querist.pipeline.project import OnStep, Outcome, Progress, Project

if TYPE_CHECKING:
    from querist.pipeline.runner import Until


def run(
    project: Project,
    *,
    rounds: int | None,
    until: Until | None,
    oracle: str | None,
    on_step: OnStep | None,
    progress: Progress | None,
) -> Outcome:
    """As `Project.run` says."""
    from querist.pipeline.reporting.tracking import follow, losses_of
    from querist.pipeline.rounds import reached
    from querist.pipeline.runner import run_round, seldom_collect

    with project._lock(), seldom_collect():
        number = project.next_round()
        if until is not None:
            rounds = number if rounds is None else rounds
            if reached(project, rounds, until):
                return Outcome("done", rounds, f"round {rounds} is {until}")
        context = contexts(project, oracle, progress or _quiet)
        if rounds is None and oracle is not None and not _has_end(project):
            rounds = max(number, 1)
        while True:
            found = stop(project) if number and not project.is_open(number) else None
            if found is not None:
                return Outcome("stopped", number - 1, found.reason)
            if rounds is not None and number > rounds:
                return Outcome("done", number - 1, f"{rounds} rounds after the seed set are done")
            if number and not _left_to_ask(project, context(number)):
                known = "" if oracle else "; labels that came with the data count, name an --oracle to simulate"
                return Outcome("stopped", number - 1, f"no item is left to ask in the pool{known}")
            end = until if until and number == rounds else "evaluated"
            watched = replace(context(number), on_loss=losses_of(project, number))
            result = run_round(project.ledger, watched, project.clock, on_step or _no_step, until=end)
            if result.status == "waiting":
                missing = int(result.values["missing"])
                return Outcome("waiting", number, f"{missing} items of round {number} need a label", missing)
            if end == "evaluated":
                follow(project)
            if until and number == rounds:
                return Outcome("done", number, f"round {number} is {until}")
            number += 1


def stop(project: Project) -> Any:
    """Why the loop should end by today's settings (a Stop with its reason), or None."""
    from querist.asking import committed, items_left
    from querist.pipeline.monitoring.drift_rounds import planned
    from querist.stages.evaluation.step import spending
    from querist.stages.evaluation.stopping import Stop, decide
    from querist.store.annotations import effort
    from querist.store.models import list_metrics
    from querist.store.steps import find_step

    last = project.next_round() - 1
    with project.ledger.read() as tx:
        done = find_step(tx, last, "evaluation")
        metrics = {m.name: m for m in list_metrics(tx, last)}
        asked, to_pay = effort(tx), committed(tx, project.settings)
        drifted = planned(tx, last + 1) is not None
    if done is None:
        return None
    spent = spending(asked, project.settings.objective)
    # After drift neither the goal nor the pool is what it was; budgets and the deadline are.
    goal = None if drifted else metrics.get(project.settings.objective.metric)
    stop = decide(
        project.settings.objective,
        value=goal.value if goal else None,
        value_low=goal.low if goal else None,
        value_high=goal.high if goal else None,
        spent=spent,
        pool_left=1 if drifted else int(done.result["pool_left"]),
        today=project.clock().date(),
    )
    if stop is None and items_left(to_pay, project.settings) == 0:
        return Stop("budget spent: it does not pay for one more label", "budget_labels")
    if stop is None and project.settings.objective.stop_on and not drifted:
        from querist.pipeline.evaluation.advice import advise

        said = (a for a in advise(project, project.settings.objective.stop_on) if a.stop)
        stop = next((Stop(f"advice acted on ({a.which}): {a.reason}", a.which) for a in said), None)
    return stop


def contexts(project: Project, oracle: str | None, progress: Progress) -> Callable[[int], Any]:
    """What the steps of a round are given, by its number. Raises SettingError where today's settings cannot work."""
    from querist.pipeline.doctor import check_settings
    from querist.stages.evaluation.metrics import check
    from querist.step import Context, Stopwatch

    oracle = "label" if oracle is not None and oracle == project.settings.data.label else oracle
    check_settings(project.settings)
    snapshot, classes = project.snapshot, project.classes(oracle)
    sets = project.settings.data.sets
    for name in (project.settings.objective.metric, *project.settings.evaluation.metrics):
        check(name, classes, several=sets is not None)
    if oracle is not None and (snapshot.labels(oracle, classes, sets)[0] < 0).all():
        raise SettingError(f"column {oracle!r} holds none of the classes {list(classes)}, so it cannot answer")
    spec, features = project.features(progress)

    def context(round: int) -> Context:
        return Context(
            settings=project.settings,
            round=round,
            now=project.clock(),
            snapshot=snapshot,
            features=features,
            artifacts=project.artifacts,
            classes=classes,
            learner=spec,
            oracle=oracle,
            code_version=__version__,
            settings_key=project.settings_key,
            progress=progress,
            stopwatch=Stopwatch(),
        )

    return context


def _left_to_ask(project: Project, context: Any) -> bool:
    """Whether the pool holds a candidate, or the round has its queries already."""
    from querist.asking import candidates
    from querist.store.rounds import list_queries

    with project.ledger.read() as tx:
        if list_queries(tx, context.round):
            return True
        return len(candidates(tx, context)) > 0


def _has_end(project: Project) -> bool:
    goal = project.settings.objective
    return any(x is not None for x in (goal.goal, goal.budget_labels, goal.budget_money, goal.budget_hours))


def _quiet(what: str, done: int, total: int | None) -> None:
    return None


def _no_step(round: int, name: str, status: str) -> None:
    return None
