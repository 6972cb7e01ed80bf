"""deploy: the gate, the deployed folder, and the model that answers for real."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from querist.cli import console
from querist.cli.loop import json_option, project_option
from querist.core.errors import MissingExtra

out_option = click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Deployed folder.  [default: deploy.folder]"
)


@click.group()
def deploy() -> None:
    """Decide which model answers for real, build what it needs, and serve it."""


@deploy.command()
@click.argument("version", required=False)
@click.option("--strict", is_flag=True, help="Exit with status 1 when the gate holds.")
@project_option
@json_option
def gate(version: str | None, strict: bool, folder: Path, as_json: bool) -> None:
    """Judge whether model VERSION, by default the newest, may take the place of the served one."""
    from querist.pipeline.deploy.deploying import gate as judge
    from querist.pipeline.project import Project

    found = judge(Project(folder), version)
    if as_json:
        console.print_json(found)
    else:
        click.echo(f"{found['model_version']} {'passes' if found['passed'] else 'is held'}")
        for criterion in found["criteria"]:
            click.echo(f"  {'pass' if criterion['passed'] else 'hold'}  {criterion['name']}: {criterion['reason']}")
    if strict and not found["passed"]:
        raise SystemExit(1)


@deploy.command()
@click.option("--version", help="Model version.  [default: the newest]")
@out_option
@project_option
@json_option
def build(version: str | None, out: Path | None, folder: Path, as_json: bool) -> None:
    """Build the deployed folder of a model, with a Dockerfile; it answers once it is promoted."""
    from querist.pipeline.deploy.bundling import build as build_version
    from querist.pipeline.project import Project

    found = build_version(Project(folder), version, out=out)
    if as_json:
        console.print_json(found)
        return
    click.echo(f"{found['folder']}: version {found['version']} of model {found['model_version']}")
    click.echo(f"image tag: {found['tag']}")
    if found["unpinned"]:
        click.echo(f"not installed here, so not pinned: {', '.join(found['unpinned'])} (pip install 'querist[serve]')")


@deploy.command()
@click.argument("version", required=False)
@click.option("--force", metavar="WHY", help="Pass over the gate; WHY goes on record.")
@click.option("--by", metavar="NAME", help='Who approves, for deploy.approve = "always".')
@out_option
@project_option
@json_option
def promote(
    version: str | None, force: str | None, by: str | None, out: Path | None, folder: Path, as_json: bool
) -> None:
    """Let model VERSION, by default the newest, answer from now on, if the gate passes it."""
    from querist.pipeline.deploy.deploying import promote as promote_version
    from querist.pipeline.project import Project

    found = promote_version(Project(folder), version, force=force, by=by, out=out)
    if as_json:
        console.print_json(found)
    elif found["promoted"]:
        click.echo(f"{found['model_version']} answers now (version {found['version']}), {_before(found)}")
    else:
        click.echo(f"{found['model_version']} answers already")


@deploy.command()
@click.option("--why", default="", help="Goes on record.")
@out_option
@project_option
@json_option
def rollback(why: str, out: Path | None, folder: Path, as_json: bool) -> None:
    """Let the version before answer again."""
    from querist.pipeline.deploy.deploying import rollback as roll_back
    from querist.pipeline.project import Project

    found = roll_back(Project(folder), why=why, out=out)
    if as_json:
        console.print_json(found)
    else:
        click.echo(f"{found['model_version']} answers again (version {found['version']}), {_before(found)}")


@deploy.command()
@out_option
@project_option
@json_option
def status(out: Path | None, folder: Path, as_json: bool) -> None:
    """Show which version answers, which others are built, and the newest decisions."""
    from querist.pipeline.deploy.deploying import deploy_status
    from querist.pipeline.project import Project

    found = deploy_status(Project(folder), out=out)
    if as_json:
        console.print_json(found)
        return
    now = found["current"]
    click.echo(f"{found['folder']}: {_said(now) if now else 'no version answers yet'}")
    if found["served"] != (now and now["model_version"]):
        click.echo(f"warning: the record says that {found['served'] or 'none'} answers; promote it, or roll back")
    for version in found["versions"]:
        if version != now:
            click.echo(f"  also built: {_said(version)}")
    for one in found["promotions"]:
        why = next((f" ({one[name]})" for name in ("forced", "why") if one.get(name)), "")
        by = f" by {one['by']}" if one.get("by") else ""
        click.echo(f"  {one['at']}  {one['action']} {one['model_version']}{by}{why}")


@deploy.command()
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65_535), help="0 takes a free one.")
@click.option(
    "--forwarded-allow-ips",
    "proxies",
    multiple=True,
    metavar="ADDRESS",
    help="A proxy in front, address or network, whose X-Forwarded-For is believed.  [default: none]",
)
@click.option("--shadow", metavar="VERSION", help="Version that predicts some requests too, for comparison.")
@click.option("--canary", metavar="VERSION", help="Version that answers a share of the requests.")
@click.option("--share", type=click.FloatRange(0, 1), help="Share of requests that the canary answers.")
@click.option("--log", "log_folder", metavar="DIR", help="Folder of the prediction log (Parquet).")
@click.option("--log-share", type=click.FloatRange(0, 1), help="Share of requests that the prediction log keeps.")
@click.option("--log-keep", type=click.Choice(["features", "texts", "none"]), help="What it keeps of an item.")
@click.option("--log-items", is_flag=True, default=None, help="Write the items' texts to the request log, too.")
@project_option
def serve(directory: Path | None, host: str, port: int, proxies: tuple[str, ...], folder: Path, **given: Any) -> None:
    """Serve the current version of the deployed folder DIR, by default the project's; it follows promotions.

    All other settings of the server come from the environment, QUERIST_SERVING_MAX_BATCH and so on.
    """
    for needed in ("fastapi", "uvicorn", "prometheus_client"):
        if importlib.util.find_spec(needed) is None:
            raise MissingExtra("a served model", "serve")
    from querist.config import FILE_NAME, load
    from querist.serving.server import serve as start
    from querist.serving.settings import settings

    deployed = directory or folder / load(folder / FILE_NAME).deploy.folder
    chosen = settings({name: value for name, value in given.items() if value is not None})
    start(deployed, chosen, host=host, port=port, proxies=proxies, ready=lambda at: click.echo(f"answers at {at}"))


def _said(version: Mapping[str, Any]) -> str:
    metric = version["metric"]
    value = "" if metric["value"] is None else f", {metric['name']} {metric['value']:.3f}"
    return f"version {version['version']} of model {version['model_version']}{value}"


def _before(found: Mapping[str, Any]) -> str:
    return f"{found['before']} before" if found["before"] else "the first"
