"""Signing in and out: by password, by invitation, by one-time link; and who stands behind a session or token."""

from __future__ import annotations

from datetime import timedelta
from secrets import token_urlsafe
from typing import TYPE_CHECKING

from querist.core.errors import AccountError
from querist.pipeline.passwords import hash_password, is_outdated, matches
from querist.pipeline.people import NAME, Person
from querist.store import accounts, audit
from querist.store.accounts import Credential, Role
from querist.store.ledger import iso

if TYPE_CHECKING:
    from querist.pipeline.project import Project
    from querist.store.ledger import Tx

SESSION_DAYS, LINK_HOURS = 7, 12
USED_EVERY = timedelta(minutes=1)
"""How fresh the last use of a token is: a row written at each request would cost more than it tells."""
REFUSED = "name or password is wrong, or the account is disabled"


def invited(project: Project, secret: str) -> str:
    """Whom an invitation is for. Raises AccountError when it was used or has expired."""
    with project.ledger.read() as tx:
        found = accounts.find_credential(tx, secret, "invitation", now=project.clock())
    return _valid(found).name


def accept(project: Project, secret: str, password: str) -> str:
    """Sets the password of the invited person, ends the invitation, and returns the secret of a session."""
    hashed = hash_password(password, name=invited(project, secret))
    with project.ledger.begin() as tx:
        name = _valid(accounts.take(tx, secret, "invitation", now=project.clock())).name
        return _new_password(project, tx, name, hashed, "invitation accepted")


def sign_in(project: Project, name: str, password: str, *, address: str) -> str:
    """The secret of a new session. Raises AccountError, with one sentence whatever is wrong."""
    now = project.clock()
    with project.ledger.read() as tx:
        account = accounts.find_account(tx, name) if NAME.fullmatch(name) else None
    right = matches(password, account.password if account else None)
    if account is None or not right or account.disabled:
        with project.ledger.begin() as tx:
            # A name that nobody has may be a password typed into the wrong field.
            audit.note(tx, account.name if account else "", "sign-in refused", now=now, address=address)
        raise AccountError(REFUSED)
    renewed = hash_password(password, name=name) if account.password and is_outdated(account.password) else None
    with project.ledger.begin() as tx:
        if accounts.find_account(tx, name) != account:  # changed or disabled meanwhile
            raise AccountError(REFUSED)
        if renewed:
            accounts.change_account(tx, name, password=renewed)
        audit.note(tx, name, "signed in", now=now, address=address)
        return new_session(project, tx, name)


def change_password(project: Project, name: str, old: str, new: str) -> str:
    """Ends all sessions of the person and returns the secret of a new one. Raises AccountError for a wrong `old`."""
    with project.ledger.read() as tx:
        account = accounts.find_account(tx, name)
    if not matches(old, account.password if account else None):
        raise AccountError("the present password is wrong; nothing was changed")
    hashed = hash_password(new, name=name)
    with project.ledger.begin() as tx:
        return _new_password(project, tx, name, hashed, "password changed")


def sign_out(project: Project, secret: str) -> None:
    now = project.clock()
    with project.ledger.begin() as tx:
        ended = accounts.take(tx, secret, "session", now=now)
        if ended:
            audit.note(tx, ended.name, "signed out", now=now)


def make_link(project: Project, name: str) -> str:
    """The secret of the one-time URL that lets the owner of a project without accounts in, as admin."""
    now, secret = project.clock(), token_urlsafe(32)
    with project.ledger.begin() as tx:
        accounts.end_of_person(tx, name, "link")
        expires = now + timedelta(hours=LINK_HOURS)
        accounts.keep(tx, secret, Credential("link", name, "admin"), now=now, expires=expires)
    return secret


def follow_link(project: Project, secret: str) -> str | None:
    """The secret of a session, once; None for a link that was used, has expired or never was."""
    now = project.clock()
    with project.ledger.begin() as tx:
        link = accounts.take(tx, secret, "link", now=now)
        if link is None:
            return None
        audit.note(tx, link.name, "signed in", now=now, by="one-time link")
        return new_session(project, tx, link.name, link.role)


def of_session(project: Project, secret: str, *, alone: bool) -> Person | None:
    """Who has this session; those from one-time links count only while the owner works `alone`."""
    with project.ledger.read() as tx:
        found = accounts.find_credential(tx, secret, "session", now=project.clock())
        if found is None:
            return None
        if found.role is not None:
            return Person(found.name, found.role) if alone else None
        account = accounts.find_account(tx, found.name)
    return Person(account.name, account.role) if account and not account.disabled else None


def of_token(project: Project, secret: str) -> Person | None:
    now = project.clock()
    with project.ledger.read() as tx:
        found = accounts.find_credential(tx, secret, "token", now=now)
        account = accounts.find_account(tx, found.name) if found else None
    if found is None or account is None or account.disabled:
        return None
    if found.used_at is None or found.used_at < iso(now - USED_EVERY):
        with project.ledger.begin() as tx:
            accounts.used(tx, secret, now=now)
    return Person(account.name, account.role, found.scopes)


def _valid(invitation: Credential | None) -> Credential:
    if invitation is None:
        raise AccountError("this invitation was used already or has expired; ask for another")
    return invitation


def new_session(project: Project, tx: Tx, name: str, role: Role | None = None) -> str:
    """The secret of a session, for whoever has proved to be that person."""
    now, secret = project.clock(), token_urlsafe(32)
    expires = now + timedelta(days=SESSION_DAYS)
    accounts.keep(tx, secret, Credential("session", name, role), now=now, expires=expires)
    return secret


def _new_password(project: Project, tx: Tx, name: str, hashed: str, what: str) -> str:
    accounts.change_account(tx, name, password=hashed)
    accounts.end_of_person(tx, name, "session", "invitation")
    audit.note(tx, name, what, now=project.clock())
    return new_session(project, tx, name)
