"""Passwords: what is a good one, its argon2 hash, and a check that takes as long for a person who does not exist."""

from __future__ import annotations

import unicodedata
from functools import cache
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from querist.core.errors import AccountError, MissingExtra

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST, LONGEST = 10, 200
_AT_ONCE = BoundedSemaphore(4)
"""Each check takes 64 MiB, so that a flood of sign-ins could otherwise fill the memory."""


def hash_password(password: str, *, name: str) -> str:
    """The argon2id hash. Raises AccountError for a password that is too short, too long or the name itself."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise AccountError(f"a password has {SHORTEST} to {LONGEST} characters, this one {len(password)}; take another")
    if len(set(password.casefold())) < SHORTEST // 2 or password.casefold() == name.casefold():
        raise AccountError("this password is easy to guess (few different characters, or the name); take another")
    with _AT_ONCE:
        return _hasher().hash(_normal(password))


def matches(password: str, hashed: str | None) -> bool:
    """Whether the password is the one behind the hash; without a hash the answer is no, after the same time."""
    hasher = _hasher()
    from argon2.exceptions import InvalidHashError, VerificationError

    if len(password) > LONGEST:
        return False
    with _AT_ONCE:
        try:
            hasher.verify(hashed or _nobody(), _normal(password))
        except (VerificationError, InvalidHashError):
            return False
    return hashed is not None


def is_outdated(hashed: str) -> bool:
    """Whether argon2's advice has changed since."""
    return _hasher().check_needs_rehash(hashed)


@cache
def _hasher() -> PasswordHasher:
    try:
        from argon2 import PasswordHasher
    except ModuleNotFoundError as error:
        raise MissingExtra("an account with a password", "web") from error
    return PasswordHasher()


@cache
def _nobody() -> str:
    return _hasher().hash("nobody has this password")


def _normal(password: str) -> str:
    """Keyboards write the same letter in several ways."""
    return unicodedata.normalize("NFKC", password)
