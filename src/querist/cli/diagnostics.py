"""diagnostics: what a careful person asks of the loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from querist.cli import console
from querist.cli.loop import json_option, project_option

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = 10
SENTENCES = ("queried_against_pool", "ceiling")


@click.command()
@click.option("--label-errors", is_flag=True, help="Also look for labels that look wrong: trains ten times.")
@project_option
@json_option
def diagnostics(label_errors: bool, folder: Path, as_json: bool) -> None:
    """Check what the loop asks for, whether it hurts a class, and how good labels can be."""
    from querist.pipeline.evaluation.diagnose import record_diagnostics, record_label_errors
    from querist.pipeline.evaluation.diagnostics import diagnostics as find
    from querist.pipeline.project import Project
    from querist.stages.reporting.words import one_line

    project = Project(folder)
    with console.progress() as progress:
        record_diagnostics(project, progress=progress)
        if label_errors:
            record_label_errors(project, progress=progress)
    found = find(project)
    if as_json:
        console.print_json(found)
        return
    if not found["class_balance"]:
        click.echo("nothing is labeled yet; run `querist run`")
        return
    for title, rows, make in (
        ("classes", found["class_balance"], _balance),
        ("batches: median distance of an item to its nearest neighbour", found["redundancy"], _redundancy),
        ("rare classes: recall on the holdout, first and newest round", _ends(found["minority"]), _minority),
        ("labels that look wrong, worst first", found["label_errors"][:SHOWN], _label_errors),
    ):
        if rows:
            click.echo(f"{title}:")
            console.show(make(rows))
    for sentence in [found["label_errors_sentence"], *(found[p] and found[p]["sentence"] for p in SENTENCES)]:
        if sentence:
            click.echo(one_line(sentence))
    for warning in found["warnings"]:
        if warning["kind"] != "label_errors":  # said above
            click.echo(one_line(f"warning: {warning['sentence']}"))


def _ends(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The first and the newest round of each class."""
    names = dict.fromkeys(row["class"] for row in rows)
    own = [[row for row in rows if row["class"] == name] for name in names]
    return [row for of_class in own for row in (of_class if len(of_class) < 2 else (of_class[0], of_class[-1]))]


def _balance(rows: Sequence[Mapping[str, Any]]) -> Table:
    shares = ("asked", "pool_estimate", "holdout")
    return _table(
        ("class", "asked", "pool (estimate)", "holdout"),
        [(row["class"], *("-" if row[s] is None else f"{row[s]:.1%}" for s in shares)) for row in rows],
    )


def _redundancy(rows: Sequence[Mapping[str, Any]]) -> Table:
    cells = [(str(row["round"]), f"{row['nearest']:.3f}", f"{row['random_nearest']:.3f}") for row in rows]
    return _table(("round", "batch", "random batch"), cells)


def _minority(rows: Sequence[Mapping[str, Any]]) -> Table:
    cells = [
        (row["class"], str(row["round"]), f"{row['recall']:.3f}", f"{row['low']:.3f} to {row['high']:.3f}")
        for row in rows
    ]
    return _table(("class", "round", "recall", "interval"), cells)


def _label_errors(rows: Sequence[Mapping[str, Any]]) -> Table:
    cells = [(row["item"], row["given"], row["suggested"], f"{row['score']:.3f}") for row in rows]
    return _table(("item", "given", "suggested", "score"), cells)


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from querist.stages.reporting.words import one_line

    table = Table(box=None, pad_edge=False, header_style="bold")
    for at, name in enumerate(names):
        table.add_column(name, justify="left" if at == 0 else "right")
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))  # no markup in a name
    return table
