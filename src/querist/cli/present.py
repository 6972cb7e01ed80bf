"""present: show querist to others."""

from __future__ import annotations

from pathlib import Path

import click

from querist.cli.serve import check_installed


@click.group()
def present() -> None:
    """Show querist to others."""


@present.command()
@click.option(
    "--out",
    default="querist-demo.webm",
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The film, a .webm or .gif.",
)
@click.option("--seconds", default=30, show_default=True, type=click.IntRange(3, 300), help="How long it is.")
def video(out: Path, seconds: int) -> None:
    """Film the labeling page on the demo: labeling by keys, rounds turning, the curve rising."""
    check_installed()
    from querist.web.video import make_video

    make_video(out, seconds=seconds, tell=click.echo)
    click.echo(f"{out}: {seconds} seconds, {out.stat().st_size / 1e6:.1f} MB")
