"""orchestrate: the loop in Airflow, Prefect, cron or GitHub Actions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from querist.cli.loop import project_option

if TYPE_CHECKING:
    from querist.orchestration.plan import Shape


@click.command()
@click.argument("tool", type=click.Choice(["airflow", "prefect", "cron", "github-actions"]))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="File to write.")
@click.option(
    "--shape",
    type=click.Choice(["event", "wait"]),
    default="event",
    show_default=True,
    help="event: asking and training apart, joined by querist; wait: one workflow that waits for people.",
)
@click.option(
    "--schedule",
    default="@daily",
    show_default=True,
    help="When to ask: five fields of cron, @hourly, @daily, @weekly, @monthly, or `after` each training.",
)
@click.option(
    "--approve", is_flag=True, help='A person agrees before a model is deployed; so does deploy.approve = "always".'
)
@click.option("--querist", "command", help="How the workers start querist.  [default: this interpreter's -m querist]")
@click.option("--force", is_flag=True, help="Replace a file that says something else.")
@project_option
def orchestrate(
    tool: str,
    out: Path,
    shape: Shape,
    schedule: str,
    approve: bool,
    command: str | None,
    force: bool,
    folder: Path,
) -> None:
    """Write a commented workflow file of this project, to be kept in git."""
    from querist.orchestration.plan import plan_of
    from querist.orchestration.write import write_workflow
    from querist.pipeline.project import Project

    plan = plan_of(Project(folder), shape=shape, schedule=schedule, approve=approve, command=command)
    click.echo(f"wrote {write_workflow(tool, plan, out, force=force)}")
