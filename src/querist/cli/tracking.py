"""track: the rounds in TensorBoard and MLflow."""

from __future__ import annotations

from pathlib import Path

import click

from querist.cli.loop import project_option

text_option = click.option("--with-text", is_flag=True, help="Also write the texts of the items that were asked.")


@click.group()
def track() -> None:
    """Write the rounds to TensorBoard or MLflow, out of the record; those that are there are left alone."""


@track.command()
@click.argument("target", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@text_option
@project_option
def tensorboard(target: Path, with_text: bool, folder: Path) -> None:
    """Write the rounds for TensorBoard: a run below DIR."""
    from querist.pipeline.project import Project

    said(Project(folder).track("tensorboard", target.absolute(), with_text=with_text), str(target))


@track.command()
@click.argument("uri")
@text_option
@project_option
def mlflow(uri: str, with_text: bool, folder: Path) -> None:
    """Write the rounds to MLflow at URI: a server, or sqlite:///FILE."""
    from querist.pipeline.project import Project

    said(Project(folder).track("mlflow", uri, with_text=with_text), "MLflow")


def said(rounds: list[int], where: str) -> None:
    click.echo(f"{where}: {f'wrote rounds {rounds[0]} to {rounds[-1]}' if rounds else 'no new round'}")
