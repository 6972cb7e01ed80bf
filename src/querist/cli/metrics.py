"""metrics: the loop for Prometheus, Alertmanager and Grafana."""

from __future__ import annotations

from pathlib import Path

import click

from querist.cli.loop import project_option


@click.group(invoke_without_command=True)
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to a file, replaced at once, as node_exporter's textfile collector reads it.",
)
@project_option
@click.pass_context
def metrics(context: click.Context, out: Path | None, folder: Path) -> None:
    """Print the loop's metrics as `querist serve` shows them to Prometheus at /metrics."""
    if context.invoked_subcommand is not None:
        return
    from querist.pipeline.metrics.exposition import exposition
    from querist.pipeline.project import Project

    found = exposition(Project(folder))
    if out is None:
        click.echo(found.text().decode(), nl=False)
    else:
        found.write(out)


@metrics.command()
@click.argument("target", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--address",
    default="http://127.0.0.1:8765",
    show_default=True,
    metavar="URL",
    help="Where `querist serve` answers Prometheus and Alertmanager.",
)
@click.option(
    "--serving",
    default="http://127.0.0.1:8080",
    show_default=True,
    metavar="URL",
    help="Where `querist deploy serve` answers Prometheus.",
)
@project_option
def write(target: Path, address: str, serving: str, folder: Path) -> None:
    """Write alert rules, a Grafana dashboard, and configurations of Prometheus and Alertmanager to start from."""
    from querist.pipeline.metrics.files import write_files
    from querist.pipeline.project import Project

    for path in write_files(target, Project(folder).settings.project.name, address=address, serving=serving):
        click.echo(f"wrote {path}")
