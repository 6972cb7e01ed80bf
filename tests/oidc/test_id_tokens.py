"""Which ID tokens are believed: those that the provider signed, for us, for this visit, and now."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("authlib", reason="the extra oidc is not installed")
pytest.importorskip("fastapi", reason="the extra web is not installed")
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from oidc_provider import REFUSED, RSA, Browser, Provider, refused, why

from querist.pipeline.project import Project

Make = Callable[..., Project]


def without(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda claims: {key: value for key, value in claims.items() if key != name}


@pytest.mark.parametrize(
    "bend",
    [
        lambda c: {**c, "nonce": "another"},
        without("nonce"),
        lambda c: {**c, "aud": "somebody"},
        lambda c: {**c, "aud": ["querist", "somebody"]},
        lambda c: {**c, "aud": ["querist", "somebody"], "azp": "somebody"},
        without("aud"),
        lambda c: {**c, "iss": "https://evil.example"},
        without("iss"),
        lambda c: {**c, "exp": c["iat"] - 61},
        without("exp"),
        lambda c: {**c, "exp": "tomorrow"},
        lambda c: {**c, "iat": c["iat"] + 3_600},
        without("sub"),
        lambda c: {**c, "sub": 5},
        lambda c: {**c, "sub": ""},
        lambda c: {**c, "at_hash": "of another token"},
    ],
)
def test_an_id_token_that_is_not_for_this_visit_is_not_believed(make: Make, provider: Provider, bend: Any) -> None:
    project = make()
    browser = Browser(project)
    provider.bend = bend
    assert refused(browser.sign_in(), 403, REFUSED)
    assert why(project).startswith("the ID token")
    assert browser.me() == 303


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def encoded(part: dict[str, Any]) -> str:
    return base64url(json.dumps(part).encode())


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return f"{encoded({'alg': 'none'})}.{encoded(claims)}."


def by_another_key(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return jwt.encode(header, claims, RSAKey.generate_key(2048, {"kid": "rsa"}))


def by_the_public_key(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """What a library believes that takes the algorithm from the token, and the key for whatever it names."""
    start = f"{encoded({'alg': 'HS256', 'kid': 'rsa'})}.{encoded(claims)}"
    return f"{start}.{base64url(hmac.digest(RSA.as_pem(private=False), start.encode(), 'sha256'))}"


def by_the_secret(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key("a secret: of/the+client"), algorithms=["HS256"])


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "sign",
    [unsigned, by_another_key, by_the_public_key, by_the_secret, lambda *_: "junk", lambda *_: "a.b.c", lambda *_: ""],
)
def test_only_the_providers_own_signature_counts(make: Make, provider: Provider, sign: Any) -> None:
    project = make()
    browser = Browser(project)
    provider.sign = sign
    assert refused(browser.sign_in(), 403, REFUSED)
    assert why(project).startswith(("the ID token cannot be trusted", "the provider took no code"))
    assert browser.me() == 303


def test_a_token_may_be_a_minute_late_for_clocks_differ(make: Make, provider: Provider) -> None:
    provider.bend = lambda c: {**c, "exp": c["iat"] - 30}
    assert Browser(make()).sign_in().status_code == 303
