"""Signing in and out: by password, by invitation, by one-time link; and who stands behind a session or token."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from secrets import token_urlsafe
from typing import TYPE_CHECKING

from querist.core.errors import AccountError
from querist.pipeline.accounts.invitations import OVER, read
from querist.pipeline.accounts.passwords import hash_password, is_outdated, matches
from querist.pipeline.accounts.people import NAME, Person
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


def invited(project: Project, link: str) -> str:
    """Whom an invitation is for. Raises AccountError when it was used, changed or has expired, or the role is
    another by now.
    """
    with project.ledger.read() as tx:
        return _invited(project, tx, link, accounts.find_credential)


def accept(project: Project, link: str, password: str) -> str:
    """Sets the password of the invited person, ends the invitation, and returns the secret of a session."""
    hashed = hash_password(password, name=invited(project, link))
    with project.ledger.begin() as tx:
        name = _invited(project, tx, link, accounts.take)
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
        found = accounts.find_holder(tx, secret, "session", now=project.clock())
    if found is None:
        return None
    session, role = found
    if session.role is not None:
        return Person(session.name, session.role) if alone else None
    return Person(session.name, role) if role else None


def of_token(project: Project, secret: str) -> Person | None:
    now = project.clock()
    with project.ledger.read() as tx:
        found = accounts.find_holder(tx, secret, "token", now=now)
    token, role = found or (None, None)
    if token is None or role is None:
        return None
    if token.used_at is None or token.used_at < iso(now - USED_EVERY):
        with project.ledger.begin() as tx:
            accounts.used(tx, secret, now=now)
    return Person(token.name, role, token.scopes)


def _invited(project: Project, tx: Tx, link: str, look_up: Callable[..., Credential | None]) -> str:
    now, key = project.clock(), accounts.find_key(tx, "invitation")
    if key is None:
        raise AccountError(OVER)
    told = read(link, key, now=now)
    found, account = look_up(tx, told.secret, "invitation", now=now), accounts.find_account(tx, told.name)
    known = None if found is None else (found.name, found.role)
    if account is None or not known == (told.name, told.role) == (account.name, account.role):
        raise AccountError(OVER)
    return told.name


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
