"""monitor: is what the model meets still what it learned from?"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from querist.cli import console
from querist.cli.loop import json_option, project_option
from querist.core.errors import QueristError

log_option = click.option(
    "--log", type=click.Path(path_type=Path, file_okay=False), help="Folder of a served model's prediction log."
)
window_option = click.option(
    "--window", type=click.IntRange(min=30), help="Items compared at a time.  [default: monitoring.window]"
)
round_option = click.option(
    "--round/--no-round", "start_round", default=True, help="Open a drift round on alarm.  [default: --round]"
)


@click.group()
def monitor() -> None:
    """Compare what the model meets with what it learned from, and ask again when it drifts."""


@monitor.command()
@project_option
@log_option
@click.option("--data", type=click.Path(path_type=Path), help="File of raw items, instead of a log.")
@window_option
@click.option("--oracle", metavar="COLUMN", help="Simulate: this column answers the drift round.")
@round_option
@json_option
def check(folder: Path, as_json: bool, **options: Any) -> None:
    """Check what has come since the last check, once."""
    from querist.pipeline.monitoring.check import check as check_project
    from querist.pipeline.project import Project

    with console.progress() as progress:
        found = check_project(Project(folder), progress=progress, **options)
    if as_json:
        console.print_json(found)
        return
    show(found)


@monitor.command()
@project_option
@log_option
@window_option
@round_option
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), default=5.0, show_default=True, help="Between two looks."
)
def watch(folder: Path, minutes: float, **options: Any) -> None:
    """Check the log again and again, until stopped."""
    from querist.pipeline.monitoring.check import check as check_project
    from querist.pipeline.project import Project

    while True:
        try:
            found = check_project(Project(folder), **options)
        except QueristError as error:  # a log that is still empty, or a busy project, may be fine at the next look
            click.echo(f"error: {error}", err=True)
        else:
            if found["checks"] or found["alert"]:
                show(found)
        time.sleep(60 * minutes)


@monitor.command()
@project_option
@json_option
def status(folder: Path, as_json: bool) -> None:
    """Show the newest checks, the alarm, and estimated quality beside what labels say."""
    from querist.pipeline.monitoring.drift_status import monitoring_status
    from querist.pipeline.project import Project

    found = monitoring_status(Project(folder))
    if as_json:
        console.print_json(found)
        return
    console.show(_table(found["checks"]))
    for one in found["estimates"]:
        click.echo(f"round {one['round']}: {one['sentence']}")
    click.echo(f"alarm: {'open' if found['alarm_open'] else 'none'}")


def show(found: dict[str, Any]) -> None:
    """Prints what `check` returned."""
    if found["window"] < found["window_asked"]:
        half = "a window is at most half as large as the model's reference"
        click.echo(f"windows of {found['window']:,} items, not {found['window_asked']:,}: {half}")
    if not found["checks"]:
        click.echo(f"no whole window of {found['window']:,} new items yet")
    else:
        console.show(_table(found["checks"]))
        newest = found["checks"][-1]
        if newest["note"]:
            click.echo(f"note: {newest['note']}")
        if newest["over"] and newest["telling"]:
            words = ", ".join(f"{one['what']} ({one['value']:+.1f})" for one in newest["telling"])
            click.echo(f"what tells most: {words}")
    if found["alert"]:
        click.echo(f"alarm: {found['alert']['why']}")
    if found["round"]:
        opened = found["round"]
        said = f"drift round {opened['round']}" if opened["round"] is not None else "no drift round"
        click.echo(f"{said}: {opened.get('state') or opened['reason']}")


def _table(checks: list[dict[str, Any]]) -> Any:  # Any: rich is imported late
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    names = [test["name"] for test in checks[-1]["tests"] if test["decides"]] if checks else []
    for name in ("window", *names, "p", "AUC", "accuracy (est.)", ""):
        table.add_column(name, justify="left" if name in ("window", "") else "right")
    for one in checks:
        where, tests = one["where"], {test["name"]: test for test in one["tests"]}
        span = where["to"][:16] if "to" in where else f"rows {where['first_row']} to {where['last_row']}"
        values = [f"{tests[n]['value']:.3f}/{tests[n]['threshold']:.3f}" if n in tests else "" for n in names]
        said = "ALARM" if one["alarm"] else "drift" if one["over"] else ""
        estimated = one["estimate"]
        table.add_row(
            span,
            *values,
            f"{one['p']:.3f}",
            f"{one['domain']['auc']:.2f}" if one["domain"] else "",
            f"{estimated['accuracy']:.2f} ({estimated['low']:.2f}-{estimated['high']:.2f})",
            said,
        )
    return table
