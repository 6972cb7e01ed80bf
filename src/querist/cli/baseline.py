"""baseline: what random sampling would have come to."""

from __future__ import annotations

from pathlib import Path

import click

from querist.cli import console
from querist.cli.loop import json_option, project_option


@click.command()
@click.option(
    "--repeats", type=click.IntRange(min=3), default=10, show_default=True, help="Random orders of the labels."
)
@click.option("--jobs", type=click.IntRange(min=1), help="Processes.  [default: one per core]")
@project_option
@json_option
def baseline(repeats: int, jobs: int | None, folder: Path, as_json: bool) -> None:
    """Replay random sampling on the labels collected so far, and say what active learning saves against it."""
    from querist.pipeline.project import Project

    project = Project(folder)
    with console.progress() as progress:
        project.baseline(repeats=repeats, jobs=jobs, progress=progress)
    found = project.savings()
    if as_json:
        console.print_json(found)
        return
    click.echo(found["verdict"]["sentence"])
    if (curve := found["baseline"]) is not None:
        click.echo(f"\nbaseline ({curve['source']}): {curve['how']}")
        for limit in curve["cannot_tell"]:
            click.echo(f"cannot tell: {limit}")
    for part in ("forecast", "control"):
        if found[part] is not None:
            click.echo(f"{part}: {found[part]['sentence']}")
    for row in found["stopping"]:
        if row["stop"]:
            click.echo(f"stop ({row['which']}): {row['reason']}")
