"""Why the loop was started, and for which round: on record beside the loop, so that a retry finds its round again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from querist.core.errors import SettingError
from querist.stages.retraining.step import TRIGGER
from querist.store.analyses import add_analysis, list_analyses
from querist.store.ledger import Tx
from querist.store.steps import find_step

if TYPE_CHECKING:
    from querist.pipeline.project import Project

TRAINED = ("initial_model", "retraining")


@dataclass(frozen=True)
class Trigger:
    """`run` is the id that the starter gave, `link` where it can be seen; `full` asks for a full training."""

    run: str
    round: int
    why: str
    link: str = ""
    full: bool = False


def record_trigger(
    project: Project, run: str, *, why: str = "", link: str = "", round: int | None = None, full: bool = False
) -> Trigger:
    """Puts on record why a run was started; the same `run` again is the same trigger, for the same round.

    Without `round` it is for the first round that is not evaluated yet.
    """
    if not run:
        raise SettingError("the id of a run is empty; leave --run-id out, or give the same for every attempt of a run")
    with project.ledger.read() as tx:
        if known := _find(tx, run):
            return known
    number = project.next_round() if round is None else round
    with project.ledger.begin() as tx:
        if known := _find(tx, run):
            return known
        made = Trigger(run, number, why, link, full)
        add_analysis(tx, TRIGGER, asdict(made), round=number, now=project.clock())
        return made


def retrain(project: Project, why: str, *, run: str) -> dict[str, Any]:
    """The next training is a full one, whatever `retraining.when` says: {"round", "missing", "why"}.

    It is that of the open round, which has `missing` labels to come, or of the next one.
    """
    from querist.store import queue

    if not why.strip():
        raise SettingError("say why the model is to be trained again: --why 'the guidelines have changed'")
    number = project.next_round()
    with project.ledger.read() as tx:
        if any(find_step(tx, number, name) for name in TRAINED):
            number += 1
    made = record_trigger(project, run, why=why, round=number, full=True)
    with project.ledger.read() as tx:
        return {"round": made.round, "missing": queue.waiting(tx, round=made.round), "why": made.why}


def triggers(project: Project, round: int | None = None) -> list[Mapping[str, Any]]:
    """Those of one round, or all, oldest first: run, round, why, link, full, at."""
    with project.ledger.read() as tx:
        return [{**a.result, "at": a.at} for a in list_analyses(tx, TRIGGER, round=round)]


def _find(tx: Tx, run: str) -> Trigger | None:
    return next((Trigger(**a.result) for a in list_analyses(tx, TRIGGER) if a.result["run"] == run), None)
