"""report, diagram: show what the loop did."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from querist.cli.loop import project_option
from querist.core.errors import SettingError


@click.group(invoke_without_command=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write: .html, .md, .json or .pptx.  [default: reports/report.html of the project]",
)
@click.option(
    "--audience",
    type=click.Choice(["executive", "lead", "engineer"]),
    default="lead",
    show_default=True,
    help="Who reads it, and so how much it shows.",
)
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="Day from which on things are new.  [default: a week]")
@click.option("--weekly", is_flag=True, help="What is new since Monday; the default file has the week in its name.")
@click.option("--bullets", is_flag=True, help="Print the achievement in one paragraph instead.")
@project_option
@click.pass_context
def report(
    context: click.Context,
    out: Path | None,
    audience: Any,  # one of the choices above
    since: datetime | None,
    weekly: bool,
    bullets: bool,
    folder: Path,
) -> None:
    """Write the report of the project from its record: one file, no network."""
    context.obj = folder
    if context.invoked_subcommand is not None:
        return
    from querist.pipeline.project import Project
    from querist.pipeline.reporting import report as pages
    from querist.pipeline.reporting.findings import Since

    if since is not None and weekly:
        raise SettingError("--since and --weekly both say from when on things are new; give one of them")
    project = Project(folder)
    if bullets:
        click.echo(pages.summary_in_a_paragraph(project))
        return
    begin: Since = "monday" if weekly else None if since is None else since.date()
    week = f"-{project.clock():%G-W%V}" if weekly else ""
    out = out or project.folder / "reports" / f"report{week}.html"
    click.echo(f"wrote {pages.write_report(project, out, audience=audience, since=begin)}")


@report.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--interactive", is_flag=True, help="Also a page for each chart that answers the pointer (1 MB each).")
@click.option("--project", "folder", type=click.Path(path_type=Path), help="Project folder.  [default: .]")
@click.pass_obj
def figures(around: Path, directory: Path, interactive: bool, folder: Path | None) -> None:
    """Write each chart into DIRECTORY as SVG, PNG and CSV."""
    from querist.pipeline.project import Project
    from querist.pipeline.reporting.report import write_figures

    written = write_figures(Project(folder or around), directory, interactive=interactive)
    for path in written:
        click.echo(f"wrote {path}")
    if not written:
        click.echo("there is nothing to draw yet; run `querist run`")


@click.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write: .svg, .png or .mmd.")
@project_option
def diagram(out: Path | None, folder: Path) -> None:
    """Print the flowchart of this project, with its settings and state, as Mermaid; or draw it into a file."""
    from querist.pipeline.project import Project
    from querist.pipeline.reporting import report as pages

    if out is None:
        click.echo(pages.diagram(Project(folder)), nl=False)
        return
    click.echo(f"wrote {pages.write_diagram(Project(folder), out)}")
