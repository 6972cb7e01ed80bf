"""init, run, status, rounds: the loop itself."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from querist.cli import console

project_option = click.option(
    "--project", "folder", default=".", type=click.Path(path_type=Path), help="Project folder.  [default: .]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(["text", "image", "tabular"]),
    default="text",
    show_default=True,
    help="What an item is.",
)
def init(folder: Path, kind: str) -> None:
    """Create a project: a commented querist.toml and a .gitignore."""
    from querist.pipeline.project import Project

    project = Project.init(folder, kind)
    click.echo(f"wrote {project.folder / 'querist.toml'}")
    click.echo("next: set data.* to your columns, then `querist ingest FILE` and `querist run`")


@click.command()
@project_option
@click.option("--rounds", type=click.IntRange(min=0), help="Stop when this many rounds after the seed set are done.")
@click.option("--oracle", metavar="COLUMN", help="Simulate: this column answers in place of people.")
@json_option
def run(folder: Path, rounds: int | None, oracle: str | None, as_json: bool) -> None:
    """Run the loop until it needs labels, reaches the goal, or has spent the budget."""
    from querist.pipeline.project import Project
    from querist.pipeline.record import round_table

    project = Project(folder)
    with console.live(project, quiet=as_json) as (on_step, progress):
        outcome = project.run(rounds=rounds, oracle=oracle, on_step=on_step, progress=progress)
    summary = project.write_summary()
    if as_json:
        console.print_json({**asdict(outcome), "summary": str(summary), "digest": project.digest()})
        return
    for row in round_table(project):
        for change in row["learner_changes"]:
            click.echo(f"round {row['round']}: {change}")
        for warning in row["warnings"]:
            click.echo(f"warning, round {row['round']}: {warning}")
    click.echo(f"{outcome.status}: {outcome.reason}")
    if outcome.status == "waiting":
        click.echo(
            "next: `querist labels export batch.csv`, label it, `querist labels import batch.csv`, `querist run`"
        )
    click.echo(f"summary: {summary}")


@click.command()
@project_option
@json_option
def status(folder: Path, as_json: bool) -> None:
    """Show where the project stands and what it waits for."""
    from querist.pipeline.project import Project

    found = Project(folder).status()
    if as_json:
        console.print_json(found)
        return
    click.echo(f"{found['project']}: {found['state']}; {found['reason']}")
    if found["data"]:
        data = found["data"]
        click.echo(
            f"snapshot {found['snapshot']}: {data['added']:,} items added, {data['groups']:,} groups, "
            f"{data['quarantined']:,} rows in quarantine"
        )
    if found["rounds"]:
        console.show(console.rounds_table(found["rounds"]))
    for row in found["rounds"]:
        for change in row["learner_changes"]:
            click.echo(f"round {row['round']}: {change}")


@click.group()
def rounds() -> None:
    """Look into the recorded rounds."""


@rounds.command("show")
@click.argument("number", type=int)
@project_option
@json_option
def show_round(number: int, folder: Path, as_json: bool) -> None:
    """Show everything the record holds about round NUMBER."""
    from rich.table import Table

    from querist.pipeline.project import Project

    found = Project(folder).show_round(number)
    if as_json:
        console.print_json(found)
        return
    click.echo(f"round {number} of {found['at']}: {found['strategy']}, model {found['model_version'] or 'none yet'}")
    click.echo(f"snapshot {found['snapshot']}, settings {found['settings'][:12]}, querist {found['code_version']}")
    for line in [found["note"], *found["learner_changes"]]:
        click.echo(line)
    for name, value in found["thresholds"].items():
        click.echo(f"  {name} = {value:.6g}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("rank", "id", "score", "reason", "label", "annotator"):
        table.add_column(name)
    for query in found["queries"]:
        last = query["annotations"][-1] if query["annotations"] else {}
        score = "" if query["score"] is None else f"{query['score']:.4f}"
        label = last.get("label") or ("skipped" if last else "")
        table.add_row(str(query["rank"]), query["id"], score, query["reason"], label, last.get("annotator", ""))
    console.show(table)
    for step in found["steps"]:
        inside = ", ".join(f"{part} {seconds:.2f}" for part, seconds in step["seconds_by_part"].items())
        click.echo(f"{step['name']}: {step['seconds']:.2f} s{f' ({inside})' if inside else ''}")
    for name, metric in found["metrics"].items():
        interval = "" if metric["low"] is None else f" ({metric['low']:.4f} to {metric['high']:.4f})"
        click.echo(f"{name} = {metric['value']:.4f}{interval}")
