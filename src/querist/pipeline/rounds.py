"""When the next round is due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from querist.store import queue
from querist.store.rounds import newest_round
from querist.store.steps import find_step

if TYPE_CHECKING:
    from querist.pipeline.project import Project


@dataclass(frozen=True)
class Due:
    """Why `run` should go on; or, with `over`, why it will not."""

    reason: str
    over: bool = False


def due(project: Project) -> Due | None:
    """None while people have something to answer."""
    with project.ledger.read() as tx:
        round = newest_round(tx)
        if round is None:
            return Due("the seed set has not been asked yet")
        if queue.waiting(tx, round=round):
            return None
        evaluated = find_step(tx, round, "evaluation") is not None
    if not evaluated:
        return Due(f"round {round} is complete")
    stop = project.stop()
    return Due(stop.reason, over=True) if stop else Due(f"round {round} is evaluated")
