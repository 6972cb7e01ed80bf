"""When the next round is due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from querist.asking import may_stay_open, share_open
from querist.pipeline.monitoring.drift_rounds import query_of
from querist.pipeline.runner import LAST_STEPS, Until, steps_of
from querist.store import queue
from querist.store.rounds import get_round, newest_round
from querist.store.steps import find_step

if TYPE_CHECKING:
    from querist.pipeline.project import Project


@dataclass(frozen=True)
class Due:
    """Why `run` should go on; or why it will not, where something is `over`: the goal, a budget, the pool."""

    reason: str
    over: str = ""


def due(project: Project) -> Due | None:
    """None while people have too much to answer."""
    with project.ledger.read() as tx:
        round = newest_round(tx)
        if round is None:
            return Due("the seed set has not been asked yet")
        waiting, settings = queue.waiting(tx, round=round), project.settings
        # Asked every second: the second question only where the first does not settle it.
        if waiting and (waiting > share_open(tx, round, settings) or waiting > may_stay_open(tx, round, settings)):
            return None
        evaluated = find_step(tx, round, "evaluation") is not None
    if not evaluated:
        return Due(f"round {round} is complete" + (f" but for {waiting} items" if waiting else ""))
    stop = project.stop()
    return Due(stop.reason, over=stop.which) if stop else Due(f"round {round} is evaluated")


def next_step(project: Project) -> str:
    """The step that a run is at, or would begin with: the first that is not on record."""
    with project.ledger.read() as tx:
        newest = newest_round(tx)
        round = 0 if newest is None else newest + (find_step(tx, newest, "evaluation") is not None)
        query, several = query_of(tx, round, project.settings.query), project.settings.data.sets is not None
        steps = steps_of(round, query, several=several)
        return next(step.NAME for step in steps if find_step(tx, round, step.NAME) is None)


def reached(project: Project, round: int, until: Until) -> bool:
    """Whether a round has come so far."""
    with project.ledger.read() as tx:
        return any(find_step(tx, round, name) for name in LAST_STEPS[until])


def completeness(project: Project, round: int | None = None) -> dict[str, Any]:
    """Whether people have answered all that a round (default: the newest) asked: {"round", "complete", "missing",
    "asked", "retrained", "evaluated"}. Raises NoSuchRound."""
    with project.ledger.read() as tx:
        newest = newest_round(tx)
        number = get_round(tx, 0 if newest is None else newest if round is None else round).round
        missing = queue.waiting(tx, round=number)
    come: dict[str, bool] = {until: reached(project, number, until) for until in LAST_STEPS}
    return {"round": number, "complete": not missing, "missing": missing, **come}
