"""Accounts, their roles, invitations and tokens: each change leaves its entry in the audit log."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from getpass import getuser
from secrets import token_urlsafe
from typing import TYPE_CHECKING

from querist.core.addresses import is_loopback
from querist.core.errors import AccountError, SettingError, UnknownName
from querist.pipeline.accounts.invitations import Invitation, sign
from querist.pipeline.accounts.passwords import hash_password
from querist.store import accounts, audit, identities
from querist.store.accounts import ROLES, Account, Credential, Role
from querist.store.ledger import iso

if TYPE_CHECKING:
    from querist.pipeline.project import Project
    from querist.store.ledger import Tx

SCOPES = ("tasks", "labels", "rounds", "metrics", "admin")
"""What a token may be for: answer tasks, move labels in and out, follow and start rounds, read metrics, or all."""
INVITATION_DAYS = 7
NAME = re.compile(r"\w[\w.@+-]{0,63}")


@dataclass(frozen=True)
class Person:
    """Who asks. `scopes` limit what a token may do; None, under a session, does not."""

    name: str
    role: Role
    scopes: frozenset[str] | None = None

    def may(self, role: Role, scope: str) -> bool:
        allowed = self.scopes is None or bool(self.scopes & {scope, "admin"})
        return allowed and ROLES.index(self.role) >= ROLES.index(role)


def this_user() -> str:
    """Who runs this process, for the audit log and for an owner who works alone."""
    try:
        return getuser()
    except (KeyError, OSError):  # in a container a user may have a number alone
        return f"user-{os.getuid()}"


def check_binding(host: str, n_users: int) -> None:
    """Raises SettingError where people on other machines could come in and nobody has an account."""
    if n_users == 0 and not is_loopback(host):
        raise SettingError(
            f"no account exists, so the page would be open to everybody who reaches {host or 'this machine'}; "
            "run `querist users add NAME --role admin` first, or listen on 127.0.0.1"
        )


def count_users(project: Project) -> int:
    with project.ledger.read() as tx:
        return accounts.count_accounts(tx)


def list_users(project: Project) -> list[Account]:
    with project.ledger.read() as tx:
        return accounts.list_accounts(tx)


def add_user(project: Project, name: str, role: str, *, password: str | None = None, by: str) -> None:
    """Makes an account; without a password only an invitation lets the person in."""
    if not NAME.fullmatch(name):
        raise AccountError(
            f"{name!r} is no name: take 1 to 64 letters, digits or . _ @ + -, the first a letter or digit"
        )
    known = _role(role)
    hashed = None if password is None else hash_password(password, name=name)
    now = project.clock()
    with project.ledger.begin() as tx:
        if accounts.find_account(tx, name):
            raise AccountError(f"the account {name!r} exists already; see `querist users list`")
        accounts.add_account(tx, Account(name, known, hashed), now=now)
        audit.note(tx, by, "user added", now=now, user=name, role=known)


def set_role(project: Project, name: str, role: str, *, by: str) -> None:
    """Holds from the next request on, for open sessions and tokens, too; invitations in another role end."""
    known, now = _role(role), project.clock()
    with project.ledger.begin() as tx:
        if _account(tx, name).role != known:
            accounts.end_of_person(tx, name, "invitation")
        accounts.change_account(tx, name, role=known)
        audit.note(tx, by, "role changed", now=now, user=name, role=known)


def disable_user(project: Project, name: str, *, by: str) -> None:
    """Shuts the person out at once: sessions, tokens and invitations end. What they answered stays."""
    now = project.clock()
    with project.ledger.begin() as tx:
        _account(tx, name)
        accounts.change_account(tx, name, disabled=True)
        accounts.end_of_person(tx, name, "session", "token", "invitation")
        audit.note(tx, by, "user disabled", now=now, user=name)


def enable_user(project: Project, name: str, *, by: str) -> None:
    now = project.clock()
    with project.ledger.begin() as tx:
        _account(tx, name)
        accounts.change_account(tx, name, disabled=False)
        audit.note(tx, by, "user enabled", now=now, user=name)


def unbind_user(project: Project, name: str, *, by: str) -> None:
    """Takes the account from whom the provider knows by it; the next who signs in there under its name has it."""
    now = project.clock()
    with project.ledger.begin() as tx:
        _account(tx, name)
        if not identities.unbind(tx, name):
            raise AccountError(f"nobody signs in to the account {name!r} through a provider; nothing was changed")
        accounts.end_of_person(tx, name, "session")
        audit.note(tx, by, "identity unbound", now=now, user=name)


def invite(project: Project, name: str, *, by: str) -> str:
    """The end of a link by which the person chooses a password, once, within a week, and in the role of this moment.

    Earlier ones end.
    """
    now, secret, key = project.clock(), token_urlsafe(32), token_urlsafe(32)
    with project.ledger.begin() as tx:
        account = _account(tx, name)
        if account.disabled:
            raise AccountError(f"the account {name!r} is disabled; run `querist users enable {name}` first")
        accounts.end_of_person(tx, name, "invitation")
        expires = now + timedelta(days=INVITATION_DAYS)
        accounts.keep(tx, secret, Credential("invitation", name, account.role), now=now, expires=expires)
        invitation = Invitation(secret, name, account.role, iso(expires))
        link = sign(invitation, accounts.make_key(tx, "invitation", key))
        audit.note(tx, by, "invited", now=now, user=name, role=account.role)
    return link


def make_token(project: Project, name: str, scopes: Collection[str], *, days: float | None, by: str) -> tuple[str, str]:
    """(id, secret) of an API token; the secret is kept nowhere, the id serves to revoke it."""
    for scope in scopes:
        if scope not in SCOPES:
            raise UnknownName("scope", scope, SCOPES)
    now, secret = project.clock(), f"querist_{token_urlsafe(32)}"
    with project.ledger.begin() as tx:
        if _account(tx, name).disabled:
            raise AccountError(f"the account {name!r} is disabled; run `querist users enable {name}` first")
        expires = None if days is None else now + timedelta(days=days)
        token = Credential("token", name, scopes=frozenset(scopes))
        id = accounts.keep(tx, secret, token, now=now, expires=expires)
        audit.note(tx, by, "token made", now=now, user=name, token=id, scopes=" ".join(sorted(scopes)))
    return id, secret


def list_tokens(project: Project) -> list[Credential]:
    with project.ledger.read() as tx:
        return accounts.list_credentials(tx, "token", now=project.clock())


def revoke_token(project: Project, id: str, *, by: str) -> str:
    """Ends a token at once and says whose it was."""
    with project.ledger.begin() as tx:
        name = accounts.end_token(tx, id)
        if name is None:
            raise AccountError(f"no token has the id {id!r}; see `querist users list`")
        audit.note(tx, by, "token revoked", now=project.clock(), user=name, token=id)
    return name


def audit_log(project: Project, *, last: int | None = None) -> list[audit.Entry]:
    with project.ledger.read() as tx:
        return audit.list_entries(tx, last=last)


def _role(role: str) -> Role:
    for known in ROLES:
        if role == known:
            return known
    raise UnknownName("role", role, ROLES)


def _account(tx: Tx, name: str) -> Account:
    account = accounts.find_account(tx, name)
    if account is None:
        raise UnknownName("user", name, [known.name for known in accounts.list_accounts(tx)])
    return account
