"""The command line: parses, calls one verb of Project (or simulate), prints."""

from __future__ import annotations

import atexit
import os
import sys
from typing import NoReturn

import click

from querist import __version__
from querist.cli import (
    agreement,
    baseline,
    data,
    deploy,
    diagnostics,
    label_studio,
    labels,
    loop,
    metrics,
    monitor,
    orchestrate,
    present,
    record,
    report,
    serve,
    strategies,
    study,
    tracking,
    users,
    webhooks,
)
from querist.core.errors import QueristError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="querist")
def cli() -> None:
    """Active learning from a raw file to a better model: asks for the labels that teach the model most."""


for command in (
    loop.init,
    data.ingest,
    loop.run,
    loop.retrain,
    loop.status,
    record.rounds,
    record.verify,
    record.checklist,
    record.models,
    labels.labels,
    label_studio.label_studio,
    serve.serve,
    users.users,
    webhooks.webhooks,
    agreement.agreement,
    diagnostics.diagnostics,
    monitor.monitor,
    metrics.metrics,
    orchestrate.orchestrate,
    tracking.track,
    present.present,
    report.report,
    report.diagram,
    study.simulate,
    baseline.baseline,
    strategies.strategies,
    deploy.deploy,
    data.snapshot,
    data.config,
    data.doctor,
    study.demo,
):
    cli.add_command(command)


def main() -> NoReturn:
    """Entry point: an error of querist is one sentence on stderr and its own exit status."""
    status = _run()
    sys.stdout.flush()
    sys.stderr.flush()
    # Native threads of the readers outlive their work, and now and then abort an interpreter that shuts down, so that
    # the caller would see another status. What must still be tidied up (temporary files of workers) is registered.
    atexit._run_exitfuncs()
    os._exit(status)


def _run() -> int:
    try:
        cli.main(standalone_mode=False)
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 0
    except QueristError as error:
        click.echo(f"error: {error}", err=True)
        return error.exit_status
    except OSError as error:
        click.echo(f"error: {error.filename or 'input/output'}: {error.strerror or error}", err=True)
        return 1
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped; run the same command again to go on where it was", err=True)
        return 130
    return 0
