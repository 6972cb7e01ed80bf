"""init, run, retrain, status: the loop itself."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import click

from querist.cli import console

if TYPE_CHECKING:
    from querist.pipeline.project import Outcome, Project
    from querist.pipeline.runner import Until

NOT_YET = 75
"""Exit status of what is still to come: the command is to be repeated later (EX_TEMPFAIL of sysexits.h)."""

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


run_id_option = click.option(
    "--run-id", metavar="ID", help="Id of the orchestrator's run: the same id is about the same round, at any attempt."
)


@click.command()
@project_option
@click.option("--rounds", type=click.IntRange(min=0), help="Stop when this many rounds after the seed set are done.")
@click.option(
    "--until",
    type=click.Choice(["asked", "retrained", "evaluated"]),
    help="Stop when the round has come so far; exit status 75 where it has not.",
)
@click.option("--round", "number", type=click.IntRange(min=0), help="The round of --until.  [default: the current one]")
@run_id_option
@click.option("--why", default="", help="Why it is run, for the record.")
@click.option("--link", default="", metavar="URL", help="Where the orchestrator shows its run, for the record.")
@click.option(
    "--background", is_flag=True, help="With --until: start it in a process of its own; the same command again looks."
)
@click.option(
    "--wait", "seconds", type=click.FloatRange(min=0), default=0.0, help="Seconds that --background waits for the end."
)
@click.option("--oracle", metavar="COLUMN", help="Simulate: this column answers in place of people.")
@json_option
def run(
    folder: Path,
    rounds: int | None,
    until: Until | None,
    number: int | None,
    run_id: str | None,
    why: str,
    link: str,
    background: bool,
    seconds: float,
    oracle: str | None,
    as_json: bool,
) -> None:
    """Run the loop until it needs labels, reaches the goal, or has spent the budget."""
    from querist.pipeline.project import Project
    from querist.pipeline.triggers import record_trigger

    if until is None and (background or number is not None):
        raise click.UsageError("--round and --background go with --until")
    if until is not None and rounds is not None:
        raise click.UsageError("give --rounds or --until (with --round), not both")
    project = Project(folder)
    if run_id is not None or why or link:
        if run_id is None:  # the same reason for the same round is told once
            run_id = f"round {project.next_round() if number is None else number}: {why or link}"
        number = record_trigger(project, run_id, why=why, link=link, round=number).round
    if until is not None:
        number = project.next_round() if number is None else number
        if background:
            _run_in_background(project, number, until, oracle=oracle, seconds=seconds, as_json=as_json)
        else:
            _run_until(project, number, until, oracle=oracle, as_json=as_json)
        return
    with console.live(project, quiet=as_json) as (on_step, progress):
        outcome = project.run(rounds=rounds, oracle=oracle, on_step=on_step, progress=progress)
    _tell(project, outcome, as_json=as_json)


def _run_until(project: Project, number: int, until: Until, *, oracle: str | None, as_json: bool) -> None:
    with console.live(project, quiet=as_json) as (on_step, progress):
        outcome = project.run(rounds=number, until=until, oracle=oracle, on_step=on_step, progress=progress)
    _tell(project, outcome, as_json=as_json)
    if outcome.status == "waiting":
        raise SystemExit(NOT_YET)


def _run_in_background(
    project: Project, number: int, until: Until, *, oracle: str | None, seconds: float, as_json: bool
) -> None:
    from querist.pipeline.background import advance

    outcome = advance(project, round=number, until=until, oracle=oracle, seconds=seconds)
    if as_json:
        url = project.settings.orchestration.page_url
        console.print_json({**asdict(outcome), "page": f"{url}/lead" if url else ""})
    else:
        click.echo(f"{outcome.status}: {outcome.reason}")
    if outcome.status in ("waiting", "running"):
        raise SystemExit(NOT_YET)


def _tell(project: Project, outcome: Outcome, *, as_json: bool) -> None:
    from querist.pipeline.record import round_table

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
@click.option("--why", required=True, help="Why the model is to be trained again, for the record.")
@run_id_option
@project_option
@json_option
def retrain(why: str, run_id: str | None, folder: Path, as_json: bool) -> None:
    """Train again in full, whatever retraining.when says: now, or once the labels of the open round have come."""
    from querist.pipeline.project import Project
    from querist.pipeline.triggers import retrain as ask_for_training

    project = Project(folder)
    found = ask_for_training(project, why, run=run_id or uuid4().hex)
    ready = project.is_open(found["round"]) and not found["missing"]
    if ready:
        with console.live(project, quiet=as_json) as (on_step, progress):
            project.run(rounds=found["round"], until="retrained", on_step=on_step, progress=progress)
    found["retrained"] = ready
    if as_json:
        console.print_json(found)
    elif ready:
        click.echo(f"retrained in round {found['round']}: {why}")
    else:
        wait = f"{found['missing']} of its labels have come" if found["missing"] else "it is asked and labeled"
        click.echo(f"on record: round {found['round']} is trained in full as soon as {wait}")


@click.command()
@project_option
@json_option
def status(folder: Path, as_json: bool) -> None:
    """Show where the project stands and what it waits for."""
    from querist.pipeline.project import Project
    from querist.stages.reporting.words import in_ingests

    found = Project(folder).status()
    if as_json:
        console.print_json(found)
        return
    click.echo(f"{found['project']}: {found['state']}; {found['reason']}")
    if found["data"]:
        data = found["data"]
        click.echo(
            f"snapshot {found['snapshot']}: {data['added']:,} items added, {data['groups']:,} groups, "
            f"{data['quarantined']:,} rows in quarantine{in_ingests(data)}"
        )
    if found["rounds"]:
        console.show(console.rounds_table(found["rounds"]))
    for row in found["rounds"]:
        for change in row["learner_changes"]:
            click.echo(f"round {row['round']}: {change}")
