"""Signatures of webhooks: `t=<unix seconds>,v1=<HMAC-SHA256 of "t.body" as hex>`."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from datetime import datetime

from querist.core.errors import SettingError, SignatureError

HEADER = "querist-signature"
TOLERANCE_SECONDS = 300
_FORM = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")


def sign(secret: bytes, body: bytes, *, now: datetime) -> str:
    at = int(now.timestamp())
    return f"t={at},v1={_digest(secret, at, body)}"


def check(secret: bytes, signature: str, body: bytes, *, now: datetime) -> None:
    """Raises SignatureError unless the body was signed with this secret within five minutes of `now`."""
    found = _FORM.fullmatch(signature)
    if found is None:
        raise SignatureError(f"the header {HEADER} must read t=<unix seconds>,v1=<hex of HMAC-SHA256>")
    if not hmac.compare_digest(_digest(secret, int(found[1]), body), found[2]):
        raise SignatureError("the signature does not fit the body; is the secret the same on both sides?")
    if abs(now.timestamp() - int(found[1])) > TOLERANCE_SECONDS:
        raise SignatureError(f"it was signed more than {TOLERANCE_SECONDS} seconds away from now; compare the clocks")


def secret_of(variable: str) -> bytes:
    """The secret in an environment variable. Raises SettingError while there is none."""
    if not (value := os.environ.get(variable, "")):
        raise SettingError(f"the environment variable {variable} is empty; set it to the secret that signs webhooks")
    return value.encode()


def _digest(secret: bytes, at: int, body: bytes) -> str:
    return hmac.new(secret, b"%d." % at + body, hashlib.sha256).hexdigest()
