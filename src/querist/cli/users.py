"""users: who may label, lead and administer; invitations and API tokens."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from querist.cli import console
from querist.cli.loop import json_option, project_option

URL = "http://localhost:8765"
role_option = click.option(
    "--role",
    type=click.Choice(["annotator", "lead", "admin"]),
    default="annotator",
    show_default=True,
    help="What the person may do.",
)
url_option = click.option("--url", default=URL, show_default=True, help="Address of the server, for the link.")


@click.group()
def users() -> None:
    """Accounts of the labeling page: who may come in, and as what."""


@users.command()
@click.argument("name")
@role_option
@click.option("--invite", "invited", is_flag=True, help="Print a link by which the person chooses the password.")
@url_option
@project_option
def add(name: str, role: str, invited: bool, url: str, folder: Path) -> None:
    """Make an account. The password is asked for, or read from standard input; it is never an argument."""
    from querist.pipeline.accounts import people
    from querist.pipeline.project import Project

    project = Project(folder)
    people.add_user(project, name, role, password=None if invited else _read_password(), by=people.this_user())
    click.echo(f"added {name} as {role}")
    if invited:
        _print_invitation(people.invite(project, name, by=people.this_user()), url)


@users.command("list")
@project_option
@json_option
def list_(folder: Path, as_json: bool) -> None:
    """List accounts and API tokens."""
    from querist.pipeline.accounts import people
    from querist.pipeline.project import Project

    project = Project(folder)
    accounts, tokens = people.list_users(project), people.list_tokens(project)
    if as_json:
        known = [{"name": a.name, "role": a.role, "state": a.state, "since": a.at} for a in accounts]
        held = [asdict(t) | {"scopes": sorted(t.scopes)} for t in tokens]
        console.print_json({"users": known, "tokens": held})
        return
    if not accounts:
        click.echo("no account yet; `querist users add NAME --role admin` makes the first")
    for account in accounts:
        click.echo(f"{account.name}  {account.role}  {account.state}")
    for token in tokens:
        until = token.expires_at[:10] if token.expires_at else "revoked"
        last = token.used_at[:16] if token.used_at else "never"
        click.echo(f"token {token.id}  {token.name}  {' '.join(sorted(token.scopes))}  until {until}  last used {last}")


@users.command()
@click.argument("name")
@url_option
@project_option
def invite(name: str, url: str, folder: Path) -> None:
    """Print a link by which NAME chooses a (new) password: once, within a week."""
    from querist.pipeline.accounts import people
    from querist.pipeline.project import Project

    _print_invitation(people.invite(Project(folder), name, by=people.this_user()), url)


@users.command()
@click.argument("name")
@click.argument("role", type=click.Choice(["annotator", "lead", "admin"]))
@project_option
def role(name: str, role: str, folder: Path) -> None:
    """Give NAME another ROLE, from the next request on."""
    from querist.pipeline.accounts import people
    from querist.pipeline.project import Project

    people.set_role(Project(folder), name, role, by=people.this_user())
    click.echo(f"{name} is {role} now")


@users.command()
@click.argument("name")
@project_option
def disable(name: str, folder: Path) -> None:
    """Shut NAME out at once: sessions, tokens and invitations end; the answers stay."""
    _switch(folder, name, on=False)


@users.command()
@click.argument("name")
@project_option
def enable(name: str, folder: Path) -> None:
    """Let NAME sign in again."""
    _switch(folder, name, on=True)


@users.command()
@click.argument("name")
@project_option
def unbind(name: str, folder: Path) -> None:
    """Take the account NAME from the person who signs in to it through the OpenID Connect provider."""
    from querist.pipeline.accounts import people
    from querist.pipeline.project import Project

    people.unbind_user(Project(folder), name, by=people.this_user())
    click.echo(f"unbound {name}; the next who signs in under that name has the account")


@users.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(["tasks", "labels", "rounds", "metrics", "admin"]),
    help="What it is for; may be given several times.",
)
@click.option("--days", type=click.FloatRange(min=0, min_open=True), help="Days it is valid.  [default: until revoked]")
@project_option
def token(name: str, scopes: tuple[str, ...], days: float | None, folder: Path) -> None:
    """Make an API token that acts for NAME; it is shown this once."""
    from querist.pipeline.accounts import people
    from querist.pipeline.project import Project

    id, secret = people.make_token(Project(folder), name, scopes, days=days, by=people.this_user())
    click.echo(secret)
    click.echo(f"send it as `Authorization: Bearer ...`; `querist users revoke {id}` ends it", err=True)


@users.command()
@click.argument("id")
@project_option
def revoke(id: str, folder: Path) -> None:
    """End the API token with this ID (see `users list`)."""
    from querist.pipeline.accounts import people
    from querist.pipeline.project import Project

    click.echo(f"revoked a token of {people.revoke_token(Project(folder), id, by=people.this_user())}")


@users.command()
@click.option("--last", type=click.IntRange(min=1), help="Only this many of the newest entries.")
@project_option
@json_option
def log(last: int | None, folder: Path, as_json: bool) -> None:
    """Print the audit log: who did what to accounts, and who came in."""
    from querist.pipeline.accounts import people
    from querist.pipeline.project import Project

    entries = people.audit_log(Project(folder), last=last)
    if as_json:
        console.print_json([asdict(entry) for entry in entries])
        return
    for entry in entries:
        detail = "  ".join(f"{name}={value}" for name, value in entry.detail.items())
        click.echo(f"{entry.at}  {entry.who or '(unknown)'}: {entry.what}  {detail}".rstrip())


def _switch(folder: Path, name: str, *, on: bool) -> None:
    from querist.pipeline.accounts import people
    from querist.pipeline.project import Project

    change = people.enable_user if on else people.disable_user
    change(Project(folder), name, by=people.this_user())
    click.echo(f"{'enabled' if on else 'disabled'} {name}")


def _print_invitation(secret: str, url: str) -> None:
    click.echo(f"{url.rstrip('/')}/invite/{secret}")
    click.echo("hand this link to the person alone; it serves once, within a week", err=True)


def _read_password() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")
