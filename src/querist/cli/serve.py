"""serve: the labeling page."""

from __future__ import annotations

import importlib.util
import webbrowser
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import click

from querist.cli.loop import project_option
from querist.core.errors import MissingExtra

if TYPE_CHECKING:
    from querist.pipeline.project import Project


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; others need accounts.")
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65_535), help="0 takes a free one.")
@click.option("--allow-host", "names", multiple=True, metavar="NAME", help="Another name by which people reach it.")
@click.option(
    "--forwarded-allow-ips",
    "proxies",
    multiple=True,
    metavar="ADDRESS",
    help="A proxy in front, address or network, whose X-Forwarded-For and -Proto are believed.  [default: none]",
)
@click.option("--open", "browser", is_flag=True, help="Open the page in the browser.")
@project_option
def serve(host: str, port: int, names: tuple[str, ...], proxies: tuple[str, ...], browser: bool, folder: Path) -> None:
    """Serve the labeling page and the HTTP API, and open round after round as people answer."""
    check_installed()
    from querist.pipeline.project import Project

    start_server(Project(folder), host=host, port=port, names=names, proxies=proxies, browser=browser)


def check_installed() -> None:
    """Raises MissingExtra before any work is done for a page that cannot be served."""
    if importlib.util.find_spec("fastapi") is None or importlib.util.find_spec("uvicorn") is None:
        raise MissingExtra("the labeling page", "web")


def start_server(
    project: Project,
    *,
    port: int,
    host: str = "127.0.0.1",
    names: Collection[str] = (),
    proxies: Collection[str] = (),
    browser: bool = False,
) -> None:
    from querist.web.server import serve

    def ready(address: str) -> None:
        click.echo(f"label here: {address}")
        click.echo("stop with Ctrl+C; every answer is stored as it comes")
        if browser:
            webbrowser.open(address)

    serve(project, host=host, port=port, names=names, proxies=proxies, ready=ready)
