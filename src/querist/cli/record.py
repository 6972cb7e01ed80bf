"""rounds, verify, checklist, models: the record of the loop, and the proof of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from querist.cli import console
from querist.cli.loop import NOT_YET, json_option, project_option

COLORS = {"green": "green", "amber": "yellow", "red": "red"}


@click.group()
def rounds() -> None:
    """Look into the recorded rounds."""


@rounds.command("show")
@click.argument("number", type=int)
@project_option
@json_option
def show_round(number: int, folder: Path, as_json: bool) -> None:
    """Show everything the record holds about round NUMBER."""
    from querist.pipeline.project import Project
    from querist.stages.reporting.round_page import round_page

    found = Project(folder).show_round(number)
    if as_json:
        console.print_json(found)
    else:
        console.show_page(round_page(found))


round_argument = click.argument("number", required=False, type=click.IntRange(min=0))


@rounds.command()
@round_argument
@click.option("--due", is_flag=True, help="Exit status 75 also where the round is evaluated already.")
@project_option
@json_option
def complete(number: int | None, due: bool, folder: Path, as_json: bool) -> None:
    """Say whether people have answered all that round NUMBER (default: the newest) asked: exit status 0, or 75."""
    found = _answer_complete(folder, number, as_json=as_json)
    if due and found["evaluated"]:
        raise SystemExit(NOT_YET)


@rounds.command()
@round_argument
@click.option("--minutes", type=click.FloatRange(min=0), default=60.0, show_default=True, help="Give up after that.")
@click.option(
    "--every", "seconds", type=click.FloatRange(min=0.1), default=30.0, show_default=True, help="Seconds between looks."
)
@project_option
@json_option
def wait(number: int | None, minutes: float, seconds: float, folder: Path, as_json: bool) -> None:
    """Wait until people have answered all that round NUMBER (default: the newest) asked; exit status 75 if not."""
    _answer_complete(folder, number, as_json=as_json, minutes=minutes, seconds=seconds)


def _answer_complete(
    folder: Path, number: int | None, *, as_json: bool, minutes: float = 0.0, seconds: float = 1.0
) -> dict[str, Any]:
    from querist.pipeline.project import Project
    from querist.pipeline.rounds import completeness

    project, end = Project(folder), time.monotonic() + 60 * minutes
    found = completeness(project, number)
    while not found["complete"] and time.monotonic() < end:
        time.sleep(min(seconds, max(end - time.monotonic(), 0.0)))
        found = completeness(project, found["round"])
    if as_json:
        console.print_json(found)
    else:
        missing = "complete" if found["complete"] else f"{found['missing']} items need a label"
        click.echo(f"round {found['round']}: {missing}")
    if not found["complete"]:
        raise SystemExit(NOT_YET)
    return found


@rounds.command("write")
@click.argument("to", required=False, type=click.Path(file_okay=False, path_type=Path))
@project_option
def write_rounds(to: Path | None, folder: Path) -> None:
    """Write a Markdown page for each round to the folder TO; pages that say the same already stay.

    TO is reports/rounds of the project by default.
    """
    from querist.pipeline.project import Project
    from querist.pipeline.reporting.round_record import round_pages

    pages = list(round_pages(Project(folder), to))
    where = f" in {pages[0][0].parent}" if pages else ""
    click.echo(f"{len(pages):,} rounds, {sum(changed for _, changed in pages):,} pages written{where}")


@click.command()
@click.option("--round", "number", type=int, help="This round.  [default: the newest evaluated one]")
@click.option("--all", "every", is_flag=True, help="Every evaluated round.")
@project_option
@json_option
def verify(number: int | None, every: bool, folder: Path, as_json: bool) -> None:
    """Do a recorded round again beside the loop, and compare its queries and metrics; exit status 1 if they differ."""
    from querist.pipeline.project import Project
    from querist.pipeline.verification import verify as do_again
    from querist.pipeline.verification import verify_all

    if every and number is not None:
        raise click.UsageError("give --round or --all, not both")
    project, found = Project(folder), []
    with console.progress() as progress:
        results = verify_all(project, progress=progress) if every else [do_again(project, number, progress=progress)]
        for result in results:
            found.append(result)
            if not as_json:
                _tell(result)
    if as_json:
        console.print_json(found if every else found[0])
    if not all(result["same"] for result in found):
        raise SystemExit(1)


def _tell(result: Mapping[str, Any]) -> None:
    if result["same"]:
        model = f", model {result['model_version']}" if result["model_version"] else ""
        click.echo(
            f"round {result['round']}: the same {result['queries']:,} queries in the same order, the same "
            f"{result['metrics']:,} metrics{model} ({result['seconds']:.1f} s)"
        )
        return
    click.echo(f"round {result['round']}: differs from the record")
    for d in result["differences"]:
        click.echo(f"  {d['step']}, {d['what']}: on record {d['recorded']}, now {d['again']}")
    if result["more"]:
        click.echo(f"  and {result['more']:,} more")
    for cause in result["causes"]:
        click.echo(f"  likely cause: {cause}")


@click.command()
@click.option("--strict", is_flag=True, help="Exit with status 1 when a line is red.")
@project_option
@json_option
def checklist(strict: bool, folder: Path, as_json: bool) -> None:
    """Judge the project by its record: what a presentation of it should be able to show, and the proof."""
    from rich.table import Table
    from rich.text import Text

    from querist.pipeline.project import Project
    from querist.pipeline.reporting.checklist import checklist as judge
    from querist.stages.reporting.words import one_line

    found = judge(Project(folder))
    if as_json:
        console.print_json(found)
    else:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("", "line", "evidence", "proof"):
            table.add_column(name)
        for row in found:
            state = Text(row["state"], style=COLORS[row["state"]])
            table.add_row(state, Text(row["line"]), *(Text(one_line(row[name])) for name in ("evidence", "link")))
        console.show(table)
    if strict and any(row["state"] == "red" for row in found):
        raise SystemExit(1)


@click.group()
def models() -> None:
    """Describe the trained models."""


@models.command("card")
@click.argument("version", required=False)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File.  [default: reports/model-card.md]")
@project_option
@json_option
def card(version: str | None, out: Path | None, folder: Path, as_json: bool) -> None:
    """Write the model card of VERSION, by default the newest evaluated model, as Markdown."""
    from querist.pipeline.project import Project
    from querist.pipeline.reporting.model_card import model_card, write_model_card

    project = Project(folder)
    if as_json:
        console.print_json(model_card(project, version))
    else:
        click.echo(f"wrote {write_model_card(project, version, out)}")
