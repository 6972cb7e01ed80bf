"""Invitations: a link that names who is invited, as what, and until when, signed so that nobody changes it.

The signature alone lets nobody in: what the link holds besides is a secret of which the ledger knows the hash.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from querist.core.errors import AccountError, MissingExtra
from querist.store.accounts import Role
from querist.store.ledger import iso

if TYPE_CHECKING:
    from itsdangerous import URLSafeSerializer

OVER = "this invitation was used already or has expired; ask for another"


class Invitation(NamedTuple):
    """`until` is an ISO time."""

    secret: str
    name: str
    role: Role
    until: str


def sign(invitation: Invitation, key: str) -> str:
    """The invitation as the last part of a link."""
    signed = _signer(key).dumps(invitation)
    return signed if isinstance(signed, str) else signed.decode()


def read(link: str, key: str, *, now: datetime) -> Invitation:
    """Raises AccountError for a link that was not signed with the key, or is over."""
    from itsdangerous import BadData

    try:
        found = Invitation(*_signer(key).loads(link))
    except BadData:
        raise AccountError(OVER) from None
    if found.until <= iso(now):
        raise AccountError(OVER)
    return found


def _signer(key: str) -> URLSafeSerializer:
    try:
        from itsdangerous import URLSafeSerializer
    except ModuleNotFoundError:
        raise MissingExtra("inviting people", "web") from None
    how = {"key_derivation": "hmac", "digest_method": sha256}
    return URLSafeSerializer(key, salt="querist invitation", signer_kwargs=how)
