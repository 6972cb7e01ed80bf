"""OpenID Connect: sends a person to the provider, and checks what it says when the person comes back.

The authorization code flow with PKCE. Nothing is kept between requests: sign-ins are rare, and a key that the provider
changes holds at once.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from typing import Any
from urllib.parse import quote

from querist.config.oidc import OidcSettings
from querist.core.addresses import is_private_way
from querist.core.errors import MissingExtra, ServiceError, SettingError, SignatureError

DISCOVERY = "/.well-known/openid-configuration"
NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
ALGORITHMS = ("RS256", "ES256")
SECONDS, LEEWAY_SECONDS = 5.0, 60

Json = dict[str, Any]  # Any: whatever the provider answers


@dataclass(frozen=True)
class Visit:
    """One way to the provider and back to the address `back`; only the browser that went keeps the `secret`."""

    secret: str
    back: str

    def proof(self, what: str) -> str:
        """The state, the nonce or the PKCE verifier: none of them tells the secret or another."""
        return hmac.digest(self.secret.encode(), what.encode(), "sha256").hex()


class Provider:
    """Raises SettingError when it cannot be talked to with these settings, ServiceError when it does not answer."""

    def __init__(self, settings: OidcSettings) -> None:
        if any(find_spec(module) is None for module in ("authlib", "joserfc", "httpx")):
            raise MissingExtra("sign-in by OpenID Connect", "oidc")
        self._settings, name = settings, settings.client_secret_env
        self._secret = os.environ.get(name, "").strip() if name else ""
        if name and not self._secret:
            raise SettingError(
                f"the environment variable {name} is empty; put the secret of the client {settings.client_id!r} into "
                'it, name another in oidc.client_secret_env, or set that to "" if the client has none'
            )

    def address(self, visit: Visit) -> str:
        """Where the person signs in."""
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        return str(
            prepare_grant_uri(
                self._discover()["authorization_endpoint"],
                client_id=self._settings.client_id,
                response_type="code",
                redirect_uri=visit.back,
                scope=" ".join(self._settings.scopes),
                state=visit.proof("state"),
                nonce=visit.proof("nonce"),
                code_challenge=create_s256_code_challenge(visit.proof("verifier")),
                code_challenge_method="S256",
            )
        )

    def claims(self, visit: Visit, answer: Mapping[str, str], *, now: datetime) -> Json:
        """What the provider says about the person that came back with `answer` (the query of `visit.back`).

        Raises SignatureError for what was not asked by this visit, or is not the provider's word.
        """
        if not hmac.compare_digest(answer.get("state", "").encode(), visit.proof("state").encode()):
            raise SignatureError("the state is another: the sign-in began in another browser or too long ago")
        if answer.get("iss", self._settings.issuer) != self._settings.issuer:
            raise SignatureError("the answer is that of another issuer")
        if "error" in answer:
            raise SignatureError(f"the provider refused: {answer['error'][:40]!r}")
        places = self._discover()
        tokens = self._exchange(places, visit, answer.get("code", ""))
        claims = self._verified(tokens, self._ask("GET", places["jwks_uri"]), visit, now)
        wanted = {self._settings.claim, self._settings.role_claim} - {""}
        if wanted <= claims.keys() or "userinfo_endpoint" not in places:
            return claims
        bearer = {"Authorization": f"Bearer {tokens.get('access_token', '')}"}
        told = self._ask("GET", self._safe(places, "userinfo_endpoint"), headers=bearer)
        if told.get("sub") != claims["sub"]:
            raise SignatureError("the provider told about another person than the one who signed in")
        return {**told, **claims}

    def _discover(self) -> Json:
        issuer = self._settings.issuer
        found = self._ask("GET", issuer.rstrip("/") + DISCOVERY)
        if found.get("issuer") != issuer:
            named = str(found.get("issuer"))[:200]
            raise ServiceError(f"the provider at {issuer} calls itself {named!r}; write oidc.issuer exactly so")
        return found | {name: self._safe(found, name) for name in NEEDED}

    def _safe(self, places: Json, name: str) -> str:
        url = places.get(name)
        if not isinstance(url, str) or not is_private_way(url):
            raise ServiceError(f"the provider at {self._settings.issuer} has no https address as its {name}")
        return url

    def _exchange(self, places: Json, visit: Visit, code: str) -> Json:
        """The tokens for a code, which serves once."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": visit.back,
            "code_verifier": visit.proof("verifier"),
            "client_id": self._settings.client_id,
        }
        auth = None
        if "client_secret_basic" in (places.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]):
            # Both are encoded once more (RFC 6749, 2.3.1).
            auth = quote(self._settings.client_id, safe=""), quote(self._secret, safe="")
        elif self._secret:
            form["client_secret"] = self._secret
        tokens = self._ask("POST", places["token_endpoint"], data=form, auth=auth if self._secret else None)
        if "error" in tokens or not isinstance(tokens.get("id_token"), str):
            raise SignatureError(f"the provider took no code: {str(tokens.get('error', 'no ID token'))[:40]!r}")
        return tokens

    def _verified(self, tokens: Json, keys: Json, visit: Visit, now: datetime) -> Json:
        from authlib.oidc.core import CodeIDToken
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        exactly = {"iss": self._settings.issuer, "aud": self._settings.client_id, "nonce": visit.proof("nonce")}
        params = {"client_id": self._settings.client_id, "access_token": tokens.get("access_token")}
        try:
            token = jwt.decode(tokens["id_token"], KeySet.import_key_set(keys), algorithms=ALGORITHMS)  # type: ignore[arg-type]  # their dict is no TypedDict
            options = {name: {"essential": True, "value": value} for name, value in exactly.items()}
            claims = CodeIDToken(token.claims, token.header, options, params)
            claims.validate(now=int(now.timestamp()), leeway=LEEWAY_SECONDS)
        except (JoseError, KeyError, TypeError, ValueError) as error:
            raise SignatureError(f"the ID token cannot be trusted ({str(error)[:100]})") from None
        if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
            raise SignatureError("the ID token names nobody")
        return dict(claims)

    def _ask(self, method: str, url: str, **content: Any) -> Json:
        """A JSON object; that of an error, too, where OAuth gives one."""
        import httpx

        try:
            answer = httpx.request(method, url, timeout=SECONDS, **content)
            if answer.status_code not in (200, 400, 401):
                answer.raise_for_status()
            found = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            where = f"{self._settings.issuer} ({type(error).__name__} at {url[:200]})"
            raise ServiceError(f"cannot get an answer of the provider {where}; is oidc.issuer right?") from None
        if not isinstance(found, dict):
            raise ServiceError(f"the provider at {self._settings.issuer} answered no JSON object at {url[:200]}")
        return found
