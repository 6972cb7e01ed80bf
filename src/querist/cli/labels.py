"""labels import, labels export."""

from __future__ import annotations

from pathlib import Path

import click

from querist.cli import console
from querist.cli.loop import json_option, project_option

FORMATS = ["csv", "jsonl", "parquet", "datasets", "label-studio"]


@click.group()
def labels() -> None:
    """Take queries and answers out, and bring labels in."""


@labels.command("export")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--round", "number", type=int, help="Round to export.  [default: the newest]")
@click.option("--all", "answers", is_flag=True, help="Instead, every answer that stands, with the resolved label.")
@click.option("--format", "kind", type=click.Choice(FORMATS), help="What to write.  [default: by the name of FILE]")
@click.option("--holdout", type=click.IntRange(min=1), metavar="N", help="Instead, N random holdout items to label.")
@click.option(
    "--split",
    type=click.Choice(["test", "validation"]),
    help="Where --holdout draws from: test, for evaluation, or validation, for calibration.  [default: test]",
)
@project_option
@json_option
def export(
    file: Path,
    number: int | None,
    answers: bool,
    kind: str | None,
    holdout: int | None,
    split: str | None,
    folder: Path,
    as_json: bool,
) -> None:
    """Write a round's queries, with their labels so far, to FILE; or with --all what was answered, one row each.

    Parquet and datasets (a folder) hold answers in any case; label-studio holds tasks with the answers so far.
    """
    from querist.pipeline.exchange.label_files import WORKSHEETS, format_of
    from querist.pipeline.project import Project

    kind = kind or format_of(file)
    count = Project(folder).export_labels(
        file, round=number, holdout=holdout, split=split, format=kind, answers=answers
    )
    if as_json:
        console.print_json({"file": str(file), "format": kind, "written": count})
    elif kind in WORKSHEETS and not answers:
        click.echo(f"wrote {count} items to {file}; where `label` is empty, fill it, or put yes into `skip`")
    else:
        click.echo(f"wrote {count} {'tasks' if kind == 'label-studio' else 'answers'} to {file}")


@labels.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--annotator", default="import", show_default=True, help="Who labeled, where the file does not say.")
@click.option("--holdout", is_flag=True, help="The file labels validation and test items, for evaluation only.")
@project_option
@json_option
def import_(file: Path, annotator: str, holdout: bool, folder: Path, as_json: bool) -> None:
    """Read labels from FILE: all of it or nothing.

    CSV, JSONL or Parquet with the columns id and label (optional annotator, seconds, note, skip, at), the folder of a
    dataset, or Label Studio's JSON export.
    """
    from querist.pipeline.project import Project

    found = Project(folder).import_labels(file, annotator=annotator, holdout=holdout)
    if as_json:
        console.print_json(found)
        return
    click.echo(
        f"{found['read']} rows: {found['added']} labels added, {found['unchanged']} known already, "
        f"{found['empty']} without a label"
    )
