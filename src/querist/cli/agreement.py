"""agreement: how far people agree."""

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


@click.command()
@click.option("--round", "number", type=int, help="Only the items of this round.  [default: all]")
@project_option
@json_option
def agreement(number: int | None, folder: Path, as_json: bool) -> None:
    """Show how far annotators agree, which labels they mix up, and what is disputed."""
    from querist.pipeline.human_labeling.agreement import agreement as find
    from querist.pipeline.project import Project

    found = find(Project(folder), round=number)
    if as_json:
        console.print_json(found)
        return
    click.echo(f"{found['shared_items']:,} of {found['items']:,} items have answers of two people or more")
    if found["shared_items"]:
        click.echo(
            f"raw agreement {_figure(found['raw'])}, Krippendorff's alpha {_figure(found['alpha'])}, "
            f"Cohen's kappa {_figure(found['cohen'])}, Fleiss' kappa {_figure(found['fleiss'])}"
        )
    else:
        click.echo("agreement is unknown: set labeling.overlap to 2 or more, so that people share items")
    if found["annotators"]:
        console.show(_annotators(found["annotators"]))
    if found["shared_items"]:
        console.show(_labels(found["labels"]))
    for pair in found["confused"][:SHOWN]:
        first, second = pair["labels"]
        click.echo(f"mixed up: {first} and {second}, {pair['share']:.0%} of the disagreements")
    if found["disputed"]:
        more = ", ..." if len(found["disputed"]) > SHOWN else ""
        click.echo(f"disputed ({len(found['disputed']):,}): {', '.join(found['disputed'][:SHOWN])}{more}")


def _annotators(rows: Sequence[Mapping[str, Any]]) -> Table:
    from rich.text import Text

    table = _table("annotator", "answers", "skips", "agreement", "median seconds", "gold")
    for row in rows:
        gold = f"{row['gold']['right']} of {row['gold']['asked']}" if row["gold"] else "-"
        seconds = "-" if row["median_seconds"] is None else f"{row['median_seconds']:.1f}"
        cells = (str(row["answers"]), str(row["skips"]), _figure(row["agreement"]), seconds, gold)
        table.add_row(Text(row["annotator"]), *cells)  # no markup in a name
    return table


def _labels(rows: Sequence[Mapping[str, Any]]) -> Table:
    from rich.text import Text

    by_itself = ["alpha"] if any("alpha" in row for row in rows) else []
    table = _table("label", "answers", "agreement", *by_itself)
    for row in rows:
        alone = [_figure(row[name]) for name in by_itself]
        table.add_row(Text(row["label"]), str(row["answers"]), _figure(row["agreement"]), *alone)
    return table


def _table(first: str, *others: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
