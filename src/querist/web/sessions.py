"""What a browser carries: the cookie of its session, and the value by which a page proves that it is ours (CSRF)."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from fastapi import Request, Response

from querist.core.hashing import key_of
from querist.pipeline.accounts.sign_in import SESSION_DAYS

SAFE = ("GET", "HEAD", "OPTIONS")
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def cookie_name(folder: str) -> str:
    """One for each project: cookies do not tell the ports of a machine apart."""
    return f"querist_{key_of(folder)[:8]}"


def set_cookie(request: Request, response: Response, name: str, secret: str) -> None:
    """Lax, so that a link in a mail opens the page signed in; no script reads it; over https it stays there."""
    response.set_cookie(
        name, secret, max_age=SESSION_DAYS * 86_400, httponly=True, samesite="lax", secure=request.url.scheme == "https"
    )


def csrf_value(secret: str) -> str:
    """Belongs to one session, and tells nothing about its secret."""
    return hmac.digest(secret.encode(), b"csrf", "sha256").hex()


def same_value(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def same_origin(request: Request) -> bool:
    """Whether a page of this very server sent the request, as far as the browser tells; other clients tell nothing."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()


async def given_csrf(request: Request) -> str:
    """The value in the header X-CSRF-Token, or in the field `csrf` of a form, which cannot set a header."""
    if request.headers.get("content-type", "").startswith(FORMS) and "x-csrf-token" not in request.headers:
        value = (await request.form()).get("csrf", "")
        return value if isinstance(value, str) else ""
    return request.headers.get("x-csrf-token", "")
