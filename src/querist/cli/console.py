"""What a terminal shows: a live round table with progress bars, quiet when output is not a terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table

    from querist.pipeline.project import Project

SLOW_SECONDS = 1.0

OnStep = Callable[[int, str, str], None]
OnProgress = Callable[[str, int, int | None], None]


def print_json(value: Any) -> None:  # Any: whatever JSON can hold
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def rounds_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in _names(rows):
        table.add_column(name, justify="left" if name == "strategy" else "right")
    for row in rows:
        table.add_row(*_cells(row))
    return table


class RoundLines:
    """The same table off a terminal: each line is printed when its round ends, so that whoever reads along sees it."""

    LINE = "{:>5}  {:<13}  {:>5}  {:>6}  {:>8}  {:>14}  {:>7}"

    def __init__(self, project: Project) -> None:
        self._project = project
        self._shown = 0

    def on_step(self, number: int, name: str, status: str) -> None:
        if (name, status) == ("evaluation", "done"):
            self.rest()

    def rest(self) -> None:
        """Prints the rounds that have not been printed yet."""
        from querist.pipeline.record import round_table

        rows = round_table(self._project)
        lines = [_cells(row) for row in rows[self._shown :]]
        for cells in lines if self._shown else [_names(rows), *lines]:
            click.echo(self.LINE.format(*cells))
        self._shown = len(rows)


def _names(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    metric = rows[0]["metric"] if rows else "metric"
    return ("round", "strategy", "asked", "labels", metric, "interval", "seconds")


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    known = row["value"] is not None
    return (
        str(row["round"]),
        row["strategy"],
        str(row["asked"]),
        "-" if row["labels"] is None else f"{row['labels']:,}",
        f"{row['value']:.3f}" if known else "-",
        f"{row['low']:.3f} to {row['high']:.3f}" if known and row["low"] is not None else "-",
        f"{row['seconds']:.1f}",
    )


def show(renderable: Any) -> None:  # Any: anything rich can print
    from rich.console import Console

    Console(soft_wrap=True, width=None if sys.stdout.isatty() else 110).print(renderable)


def show_page(page: str) -> None:
    """Markdown, as a terminal can show it."""
    from rich.console import Console
    from rich.markdown import Markdown

    Console(width=None if sys.stdout.isatty() else 110).print(Markdown(page))


@contextmanager
def progress() -> Iterator[OnProgress]:
    """A callback that draws one bar per kind of work: at once where its beginning (0 done) is told, else once it takes
    more than a second. Nothing off a terminal."""
    if not sys.stderr.isatty():
        yield lambda what, done, total: None
        return
    from rich.console import Console

    bars = _bars(Console(stderr=True))
    with bars:
        yield _update(bars)


@contextmanager
def live(project: Project, *, quiet: bool = False) -> Iterator[tuple[OnStep, OnProgress]]:
    """Callbacks (on_step, progress) that show the rounds: on a terminal with the bars of the running step."""
    if quiet:
        yield (lambda number, name, status: None), (lambda what, done, total: None)
        return
    if not sys.stdout.isatty():
        lines = RoundLines(project)
        yield lines.on_step, (lambda what, done, total: None)
        lines.rest()
        return
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    from querist.pipeline.record import round_table

    bars = _bars(Console())
    with Live(Group(Text("starting"), bars), refresh_per_second=8, transient=True) as screen:

        def on_step(number: int, name: str, status: str) -> None:
            state = Text(f"round {number}: {name.replace('_', ' ')} {status}", style="cyan")
            for task in bars.task_ids:
                bars.remove_task(task)
            screen.update(Group(rounds_table(round_table(project)), state, bars))

        yield on_step, _update(bars)
    show(rounds_table(round_table(project)))


def _bars(console: Any) -> Any:  # Any: rich is imported late
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def _update(bars: Any) -> OnProgress:
    started: dict[str, float] = {}
    drawn: dict[str, Any] = {}

    def update(what: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if done and what not in drawn and now - started.setdefault(what, now) < SLOW_SECONDS:
            return
        if drawn.get(what) not in bars.task_ids:
            drawn[what] = bars.add_task(what, total=total)
        bars.update(drawn[what], completed=done, total=total)
        if total is not None and done >= total:
            bars.remove_task(drawn.pop(what))
            started.pop(what, None)

    return update
