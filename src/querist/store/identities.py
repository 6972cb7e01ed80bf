"""Which account a person of an OpenID Connect provider has; the provider knows the person by a subject."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, insert, select

from querist.store.ledger import Tx, iso
from querist.store.tables import identities as table


def bind(tx: Tx, issuer: str, subject: str, name: str, *, now: datetime) -> None:
    """From now on the account is this subject's alone."""
    tx.execute(insert(table).values(issuer=issuer, subject=subject, name=name, at=iso(now)))


def find_name(tx: Tx, issuer: str, subject: str) -> str | None:
    """The account of a subject."""
    found = select(table.c.name).where(table.c.issuer == issuer, table.c.subject == subject)
    return tx.execute(found).scalar_one_or_none()


def is_bound(tx: Tx, issuer: str, name: str) -> bool:
    """Whether some subject of the issuer has the account."""
    found = select(table.c.subject).where(table.c.issuer == issuer, table.c.name == name)
    return tx.execute(found).first() is not None


def unbind(tx: Tx, name: str) -> int:
    """Takes the account from whatever subjects have it, and says from how many."""
    return tx.execute(delete(table).where(table.c.name == name)).rowcount
