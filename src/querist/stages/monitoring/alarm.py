"""When drift becomes an alarm: several windows in a row, then silence until the loop has answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

Event = Literal["over", "fine", "opened", "closed"]
"""A window that exceeded its thresholds or did not; an alarm taken up; an alarm that is over."""


@dataclass(frozen=True)
class Alarm:
    """`in_a_row` windows over the threshold, `quiet` windows left to ignore, and whether an alarm is `open`."""

    in_a_row: int = 0
    quiet: int = 0
    open: bool = False


def after(state: Alarm, event: Event, *, patience: int, cool_down: int) -> tuple[Alarm, bool]:
    """The state after an event, and whether it raises the alarm: `patience` windows over in a row, none open, and
    `cool_down` windows since the last one was closed.
    """
    if event == "opened":
        return replace(state, open=True), False
    if event == "closed":
        return Alarm(quiet=cool_down), False
    if state.open:
        return state, False
    if state.quiet:
        return replace(state, quiet=state.quiet - 1), False
    in_a_row = state.in_a_row + 1 if event == "over" else 0
    if in_a_row >= patience:
        return Alarm(in_a_row=in_a_row, open=True), True
    return Alarm(in_a_row=in_a_row), False


def replay(events: Iterable[Event], *, patience: int, cool_down: int) -> Alarm:
    """The state that the record leads to."""
    state = Alarm()
    for event in events:
        state, _ = after(state, event, patience=patience, cool_down=cool_down)
    return state
