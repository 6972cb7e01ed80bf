"""The command line: parses, calls one verb of Project (or simulate), prints."""

from __future__ import annotations

import sys

import click

from querist import __version__
from querist.cli import data, labels, loop, study
from querist.core.errors import QueristError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="querist")
def cli() -> None:
    """Active learning from a raw file to a better model: asks for the labels that teach the model most."""


for command in (
    loop.init,
    data.ingest,
    loop.run,
    loop.status,
    loop.rounds,
    labels.labels,
    study.simulate,
    study.strategies,
    data.snapshot,
    data.config,
    data.doctor,
    study.demo,
):
    cli.add_command(command)


def main() -> None:
    """Entry point: an error of querist is one sentence on stderr and its own exit status."""
    try:
        cli.main(standalone_mode=False)
    except QueristError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_status)
    except OSError as error:
        click.echo(f"error: {error.filename or 'input/output'}: {error.strerror or error}", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped; run the same command again to go on where it was", err=True)
        sys.exit(130)
