"""label-studio push, pull, sync."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from querist.cli import console
from querist.cli.loop import json_option, project_option

if TYPE_CHECKING:
    from querist.pipeline.exchange.label_studio import Pulled, Pushed

SHOWN = 20


@click.group("label-studio")
def label_studio() -> None:
    """Label in Label Studio: send what waits for an answer there, fetch what people say."""


@label_studio.command("push")
@project_option
@json_option
def push(folder: Path, as_json: bool) -> None:
    """Send the open queries as tasks with predictions, and answers given here; what is there is not sent again."""
    from querist.pipeline.exchange import label_studio as door
    from querist.pipeline.project import Project

    _show(as_json, pushed=door.push(Project(folder)))


@label_studio.command("pull")
@click.option("--all", "everything", is_flag=True, help="Read every task again, not only those that changed.")
@project_option
@json_option
def pull(everything: bool, folder: Path, as_json: bool) -> None:
    """Fetch answers, skips, corrections and deletions since the last pull."""
    from querist.pipeline.exchange import label_studio as door
    from querist.pipeline.project import Project

    _show(as_json, pulled=door.pull(Project(folder), everything=everything))


@label_studio.command("sync")
@click.option("--watch", type=click.FloatRange(min=1), metavar="SECONDS", help="Do it again and again, so far apart.")
@project_option
@json_option
def sync(watch: float | None, folder: Path, as_json: bool) -> None:
    """Pull, then push."""
    from querist.core.errors import ServiceError
    from querist.pipeline.exchange import label_studio as door
    from querist.pipeline.project import Project

    while True:
        try:
            pulled, pushed = door.sync(Project(folder))
            _show(as_json, pulled=pulled, pushed=pushed)
        except ServiceError as error:
            if watch is None:
                raise
            click.echo(f"error: {error}; trying again in {watch:g} seconds", err=True)
        if watch is None:
            return
        time.sleep(watch)


def _show(as_json: bool, *, pulled: Pulled | None = None, pushed: Pushed | None = None) -> None:
    if as_json:
        found: Mapping[str, Any] = {"pulled": pulled and _plain(pulled), "pushed": pushed and asdict(pushed)}
        console.print_json({name: value for name, value in found.items() if value is not None})
        return
    if pulled is not None:
        click.echo(
            f"pulled from project {pulled.project}: {pulled.answers} answers, {pulled.corrected} corrected, "
            f"{pulled.undone} undone, {len(pulled.refused)} refused"
        )
        for one in pulled.refused[:SHOWN]:
            click.echo(f"  refused: annotation {one.annotation} of task {one.task}, item {one.item}: {one.why}")
        if len(pulled.refused) > SHOWN:
            click.echo(f"  and {len(pulled.refused) - SHOWN} more; --json lists them all")
    if pushed is not None:
        click.echo(
            f"pushed to project {pushed.project}: {pushed.tasks} tasks, {pushed.scores} new scores, "
            f"{pushed.known} known already, {pushed.answers} answers sent, {pushed.withdrawn} withdrawn"
        )
        if pushed.created:
            click.echo(
                f"created Label Studio project {pushed.project}; put `project = {pushed.project}` under [label_studio] "
                "in querist.toml, or it is looked up by its description"
            )


def _plain(pulled: Pulled) -> dict[str, Any]:
    return {**asdict(pulled), "refused": [one._asdict() for one in pulled.refused]}
