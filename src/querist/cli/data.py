"""ingest, snapshot, config, doctor: data and settings."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from querist.cli import console
from querist.cli.loop import json_option, project_option


@click.command()
@click.argument("source", required=False)
@project_option
@json_option
def ingest(source: str | None, folder: Path, as_json: bool) -> None:
    """Read raw data (CSV, TSV, JSONL, Parquet, images, arrays) into a snapshot; bad rows go to quarantine."""
    from querist.pipeline.project import Project

    with console.progress() as progress:
        report = Project(folder).ingest(Path(source).resolve() if source else None, progress=progress)
    if as_json:
        console.print_json(asdict(report))
        return
    click.echo(
        f"snapshot {report.snapshot}: {report.read:,} rows read, {report.added:,} added, "
        f"{report.repeated:,} repeated, {report.quarantined:,} in quarantine"
    )
    for reason, count in sorted(report.reasons.items(), key=lambda item: -item[1]):
        click.echo(f"  {count:,} x {reason}")
    click.echo(
        f"{report.groups:,} groups: {report.duplicates:,} duplicates ({report.near_duplicates:,} near), "
        f"{report.conflicting_groups:,} groups with conflicting labels"
    )
    splits = ", ".join(f"{name} {count:,}" for name, count in report.primary.items())
    click.echo(f"one item of each group: {splits}")
    if report.quarantine:
        click.echo(f"quarantine: {report.quarantine}")
    for warning in report.warnings:
        click.echo(f"warning: {warning}")


@click.group()
def snapshot() -> None:
    """Look after the stored data."""


@snapshot.command("list")
@project_option
@json_option
def list_(folder: Path, as_json: bool) -> None:
    """List the project's snapshots, oldest first."""
    from querist.pipeline.project import Project

    found = Project(folder).snapshots()
    if as_json:
        console.print_json(found)
        return
    for one in found:
        click.echo(f"{one['snapshot']}  {one['at']}  {one['added']:,} items added")


@snapshot.command("verify")
@click.argument("id", required=False)
@project_option
@json_option
def verify(id: str | None, folder: Path, as_json: bool) -> None:
    """Check every stored byte of a snapshot (default: the current one); exit status 1 when one has changed."""
    from querist.pipeline.project import Project

    problems = Project(folder).verify_snapshot(id)
    if as_json:
        console.print_json({"problems": problems})
    else:
        for problem in problems:
            click.echo(problem)
        click.echo("every byte is as it was written" if not problems else f"{len(problems)} problems found")
    sys.exit(1 if problems else 0)


@click.group()
def config() -> None:
    """Check and describe querist.toml."""


@config.command()
@project_option
@json_option
def check(folder: Path, as_json: bool) -> None:
    """Check querist.toml: settings, names of parts, metric."""
    from querist.pipeline.doctor import check_settings
    from querist.pipeline.project import Project

    project = Project(folder)
    check_settings(project.settings)
    path = project.folder / "querist.toml"
    if as_json:
        console.print_json({"file": str(path), "valid": True})
    else:
        click.echo(f"{path} is valid")


@config.command()
def schema() -> None:
    """Print the JSON Schema of querist.toml."""
    from querist.config import Settings

    click.echo(json.dumps(Settings.model_json_schema(), indent=2))


@click.command()
@project_option
@json_option
def doctor(folder: Path, as_json: bool) -> None:
    """Check the installation and, in a project, settings, ledger and data; status 1 when something is wrong."""
    from querist.pipeline.doctor import examine

    checks = examine(folder)
    if as_json:
        console.print_json([asdict(c) for c in checks])
    else:
        for c in checks:
            click.echo(f"{c.state:<8} {c.name}: {c.detail}")
    sys.exit(1 if any(c.state == "wrong" for c in checks) else 0)
