"""When drift becomes an alarm."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from querist.stages.monitoring.alarm import Alarm, Event, after, replay


def alarms(events: list[Event], *, patience: int = 2, cool_down: int = 2) -> list[int]:
    """Where the alarm was raised."""
    state, found = Alarm(), []
    for at, event in enumerate(events):
        state, alarm = after(state, event, patience=patience, cool_down=cool_down)
        if alarm:
            found.append(at)
    return found


def test_one_window_over_is_no_alarm_two_in_a_row_are() -> None:
    assert alarms(["over", "fine", "over", "fine"]) == []
    assert alarms(["over", "fine", "over", "over"]) == [3]


def test_an_open_alarm_is_not_raised_again() -> None:
    assert alarms(["over"] * 10) == [1]


def test_after_an_alarm_is_over_windows_are_ignored_for_a_while() -> None:
    assert alarms(["over", "over", "closed", "over", "over", "over", "over"]) == [1, 6]
    assert alarms(["over", "over", "closed", "over", "over"], cool_down=0) == [1, 4]


def test_an_alarm_of_somebody_else_keeps_it_silent() -> None:
    assert alarms(["opened", "over", "over", "over"]) == []


@given(st.lists(st.sampled_from(["over", "fine", "opened", "closed"])), st.integers(1, 4), st.integers(0, 3))
def test_between_two_alarms_the_first_was_closed(events: list[Event], patience: int, cool_down: int) -> None:
    found = alarms(events, patience=patience, cool_down=cool_down)
    for first, second in pairwise(found):
        assert "closed" in events[first:second]
    for at in found:
        assert events[at - patience + 1 : at + 1] == ["over"] * patience


@given(st.lists(st.sampled_from(["over", "fine", "opened", "closed"])))
def test_the_record_leads_to_the_same_state(events: list[Event]) -> None:
    state = Alarm()
    for event in events:
        state, _ = after(state, event, patience=2, cool_down=1)
    assert replay(events, patience=2, cool_down=1) == state
