"""webhooks list, retry, deliver."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from querist.cli import console
from querist.cli.loop import json_option, project_option

if TYPE_CHECKING:
    from querist.store.webhooks import State


@click.group()
def webhooks() -> None:
    """What other systems are told: see what was sent, send it again."""


@webhooks.command("list")
@click.option("--state", type=click.Choice(["waiting", "delivered", "given up"]), help="Only these.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="The newest N.")
@project_option
@json_option
def list_(state: State | None, limit: int, folder: Path, as_json: bool) -> None:
    """Show deliveries, newest first."""
    from querist.pipeline.exchange.webhooks import deliveries
    from querist.pipeline.project import Project

    found = deliveries(Project(folder), state=state, limit=limit)
    if as_json:
        console.print_json(found)
        return
    for one in found:
        tries = f", attempt {one['attempts']}" if one["attempts"] else ""
        why = f": {one['error']}" if one["error"] else ""
        click.echo(f"{one['id']}  {one['at'][:19]}  {one['event']}  {one['url']}  {one['state']}{tries}{why}")
    if not found:
        click.echo("no deliveries")


@webhooks.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@project_option
def retry(ids: tuple[str, ...], folder: Path) -> None:
    """Let deliveries that were given up start again: these, or all of them."""
    from querist.pipeline.exchange.webhooks import retry
    from querist.pipeline.project import Project

    click.echo(f"{retry(Project(folder), ids or None)} deliveries start again")


@webhooks.command()
@project_option
def deliver(folder: Path) -> None:
    """Send what is due, once, an orchestrator's message included; `querist serve` does it all the time."""
    from querist.orchestration.notify import tell
    from querist.pipeline.exchange.webhooks import deliver
    from querist.pipeline.project import Project

    project = Project(folder)
    click.echo(f"{deliver(project) + tell(project)} deliveries arrived")
