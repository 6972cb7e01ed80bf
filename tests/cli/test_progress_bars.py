"""Bars on a terminal: at once for what tells of its beginning, else for what takes long."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from querist.cli import console


@pytest.fixture
def bars() -> Any:
    return console._bars(Console(file=io.StringIO(), force_terminal=True))


def drawn(bars: Any) -> list[tuple[str, float, float | None]]:
    return [(task.description, task.completed, task.total) for task in bars.tasks]


def test_a_bar_is_there_from_the_beginning_until_the_end(bars: Any) -> None:
    update = console._update(bars)
    update("encode", 0, 10)
    assert drawn(bars) == [("encode", 0, 10)]
    update("encode", 5, 10)
    assert drawn(bars) == [("encode", 5, 10)]
    update("encode", 10, 10)
    assert drawn(bars) == []


def test_what_cannot_be_counted_has_a_bar_without_end(bars: Any) -> None:
    update = console._update(bars)
    update("fit", 0, None)
    assert drawn(bars) == [("fit", 0, None)]
    update("fit", 1, 1)
    assert drawn(bars) == []


def test_work_that_never_told_of_its_beginning_has_a_bar_once_it_takes_long(
    bars: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([0.0, 0.5, 1.5, 1.6])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(now))
    update = console._update(bars)
    update("read", 1, 4)
    update("read", 2, 4)
    assert drawn(bars) == []
    update("read", 3, 4)
    assert drawn(bars) == [("read", 3, 4)]
    update("read", 4, 4)
    assert drawn(bars) == []
