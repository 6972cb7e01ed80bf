"""Who may sign in, and the secrets by which they are known: sessions, tokens, invitations and one-time links.

Of a secret the database holds the SHA-256 alone: 256 random bits cannot be guessed from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import and_, bindparam, delete, exists, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from querist.core.hashing import sha256
from querist.store.ledger import Tx, iso
from querist.store.tables import credentials, identities, keys, users

Role = Literal["annotator", "lead", "admin"]
ROLES: tuple[Role, ...] = ("annotator", "lead", "admin")
"""Each may do what those before it may."""
Kind = Literal["session", "token", "invitation", "link"]
ID_LENGTH = 12
_HOLDER = (  # built once, since each request asks it
    select(credentials, users.c.role.label("of_account"))
    .outerjoin(users, and_(users.c.name == credentials.c.name, ~users.c.disabled))
    .where(credentials.c.secret == bindparam("hashed"), credentials.c.kind == bindparam("sort"))
    .where(or_(credentials.c.expires_at.is_(None), credentials.c.expires_at > bindparam("now")))
)
_ACCOUNTS = select(users, exists().where(identities.c.name == users.c.name).label("bound"))


@dataclass(frozen=True)
class Account:
    """`password` is an argon2 hash, None until the person has chosen one; `bound` accounts come in by a provider."""

    name: str
    role: Role
    password: str | None = None
    disabled: bool = False
    at: str = ""
    bound: bool = False

    @property
    def state(self) -> Literal["active", "invited", "disabled"]:
        return "disabled" if self.disabled else "active" if self.password or self.bound else "invited"


@dataclass(frozen=True)
class Credential:
    """`role` is that of a link and its session, which need no account; `scopes` are those of a token."""

    kind: Kind
    name: str
    role: Role | None = None
    scopes: frozenset[str] = frozenset()
    at: str = ""
    expires_at: str | None = None
    used_at: str | None = None
    id: str = ""


def add_account(tx: Tx, account: Account, *, now: datetime) -> None:
    values = {**vars(account), "at": iso(now)}
    del values["bound"]
    tx.execute(insert(users).values(**values))


def change_account(tx: Tx, name: str, **values: Any) -> None:  # Any: of the columns
    tx.execute(update(users).where(users.c.name == name).values(**values))


def find_account(tx: Tx, name: str) -> Account | None:
    row = tx.execute(_ACCOUNTS.where(users.c.name == name)).one_or_none()
    return Account(**row._mapping) if row else None


def list_accounts(tx: Tx) -> list[Account]:
    found = [Account(**row._mapping) for row in tx.execute(_ACCOUNTS)]
    return sorted(found, key=lambda account: account.name)  # each database sorts text its own way


def count_accounts(tx: Tx) -> int:
    """Accounts that are not disabled."""
    return int(tx.execute(select(func.count()).where(~users.c.disabled)).scalar_one())


def keep(tx: Tx, secret: str, credential: Credential, *, now: datetime, expires: datetime | None = None) -> str:
    """Stores a credential under its secret and returns its public id; forgets those that have expired."""
    tx.execute(delete(credentials).where(credentials.c.expires_at <= iso(now)))
    values = {**vars(credential), "scopes": " ".join(sorted(credential.scopes)), "at": iso(now)}
    del values["id"]
    hashed, until = sha256(secret.encode()), iso(expires) if expires else None
    tx.execute(insert(credentials).values(**{**values, "secret": hashed, "expires_at": until}))
    return hashed[:ID_LENGTH]


def find_holder(tx: Tx, secret: str, kind: Kind, *, now: datetime) -> tuple[Credential, Role | None] | None:
    """As `find_credential`, with the role of the account that it belongs to; None of one that is closed or missing."""
    row = tx.execute(_HOLDER, {"hashed": sha256(secret.encode()), "sort": kind, "now": iso(now)}).one_or_none()
    if row is None:
        return None
    values = dict(row._mapping)
    role: Role | None = values.pop("of_account")
    return _credential(values), role


def find_credential(tx: Tx, secret: str, kind: Kind, *, now: datetime) -> Credential | None:
    """What this secret stands for; None if it was never given, has expired or was ended."""
    row = tx.execute(select(credentials).where(*_live(secret, kind, now))).one_or_none()
    return _credential(dict(row._mapping)) if row else None


def take(tx: Tx, secret: str, kind: Kind, *, now: datetime) -> Credential | None:
    """As `find_credential`, and ends it: of several that ask at once, one gets it."""
    row = tx.execute(delete(credentials).where(*_live(secret, kind, now)).returning(*credentials.c)).one_or_none()
    return _credential(dict(row._mapping)) if row else None


def used(tx: Tx, secret: str, *, now: datetime) -> None:
    tx.execute(update(credentials).where(credentials.c.secret == sha256(secret.encode())).values(used_at=iso(now)))


def list_credentials(tx: Tx, kind: Kind, *, now: datetime) -> list[Credential]:
    """Those that are valid, oldest first."""
    valid = or_(credentials.c.expires_at.is_(None), credentials.c.expires_at > iso(now))
    rows = tx.execute(select(credentials).where(credentials.c.kind == kind, valid)).mappings()
    return sorted((_credential(dict(row)) for row in rows), key=lambda found: (found.at, found.id))


def find_key(tx: Tx, purpose: str) -> str | None:
    """The key that signs for this purpose; None before `make_key`."""
    return tx.execute(select(keys.c.key).where(keys.c.purpose == purpose)).scalar_one_or_none()


def make_key(tx: Tx, purpose: str, key: str) -> str:
    """Takes this key for the purpose if there is none, and returns the one that counts."""
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    tx.execute(dialect.insert(keys).values(purpose=purpose, key=key).on_conflict_do_nothing())
    return str(tx.execute(select(keys.c.key).where(keys.c.purpose == purpose)).scalar_one())


def end_of_person(tx: Tx, name: str, *kinds: Kind) -> None:
    """Ends all credentials of these kinds that a person has."""
    tx.execute(delete(credentials).where(credentials.c.name == name, credentials.c.kind.in_(kinds)))


def end_token(tx: Tx, id: str) -> str | None:
    """Ends the token with this public id, and says whose it was."""
    found = func.substr(credentials.c.secret, 1, ID_LENGTH) == id
    ended = delete(credentials).where(credentials.c.kind == "token", found).returning(credentials.c.name)
    return tx.execute(ended).scalar_one_or_none()


def _live(secret: str, kind: Kind, now: datetime) -> tuple[Any, ...]:  # Any: SQL conditions
    lasts = or_(credentials.c.expires_at.is_(None), credentials.c.expires_at > iso(now))
    return credentials.c.secret == sha256(secret.encode()), credentials.c.kind == kind, lasts


def _credential(values: dict[str, Any]) -> Credential:  # Any: a row of `credentials`, by column
    id, scopes = values.pop("secret")[:ID_LENGTH], frozenset(values.pop("scopes").split())
    return Credential(**values, scopes=scopes, id=id)
