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


def print_json(value: Any) -> None:  # Any: whatever JSON can hold
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def rounds_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    metric = rows[0]["metric"] if rows else "metric"
    for name in ("round", "strategy", "asked", "labels", metric, "interval", "seconds"):
        table.add_column(name, justify="left" if name == "strategy" else "right")
    for row in rows:
        known = row["value"] is not None
        table.add_row(
            str(row["round"]),
            row["strategy"],
            str(row["asked"]),
            "-" if row["labels"] is None else f"{row['labels']:,}",
            f"{row['value']:.3f}" if known else "-",
            f"{row['low']:.3f} to {row['high']:.3f}" if known and row["low"] is not None else "-",
            f"{row['seconds']:.1f}",
        )
    return table


def show(renderable: Any) -> None:  # Any: anything rich can print
    from rich.console import Console

    Console(soft_wrap=True, width=None if sys.stdout.isatty() else 110).print(renderable)


@contextmanager
def progress() -> Iterator[Callable[[str, int, int | None], None]]:
    """A callback that draws one bar per kind of work once that takes more than a second; nothing off a terminal."""
    if not sys.stderr.isatty():
        yield lambda what, done, total: None
        return
    from rich.console import Console

    bars = _bars(Console(stderr=True))
    with bars:
        yield _update(bars)


@contextmanager
def live(project: Project) -> Iterator[tuple[Callable[[int, str, str], None], Callable[[str, int, int | None], None]]]:
    """Callbacks (on_step, progress) that keep a table of the rounds and the bars of the running step on screen."""
    if not sys.stdout.isatty():
        yield (lambda number, name, status: None), (lambda what, done, total: None)
        return
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    from querist.pipeline.record import round_table

    bars = _bars(Console())
    with Live(Text("starting"), refresh_per_second=8, transient=True) as screen:

        def on_step(number: int, name: str, status: str) -> None:
            state = Text(f"round {number}: {name.replace('_', ' ')} {status}", style="cyan")
            for task in bars.task_ids:
                bars.remove_task(task)
            screen.update(Group(rounds_table(round_table(project)), state, bars))

        yield on_step, _update(bars)


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


def _update(bars: Any) -> Callable[[str, int, int | None], None]:
    started: dict[str, float] = {}
    drawn: dict[str, Any] = {}

    def update(what: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if now - started.setdefault(what, now) < SLOW_SECONDS:
            return
        if drawn.get(what) not in bars.task_ids:
            drawn[what] = bars.add_task(what, total=total)
        bars.update(drawn[what], completed=done, total=total)
        if total is not None and done >= total:
            bars.remove_task(drawn.pop(what))
            started.pop(what)

    return update
