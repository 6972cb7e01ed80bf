"""A tiny OpenID Connect provider on a port of this machine: it asks nobody anything, and a test may bend it."""

# No `from __future__ import annotations`: FastAPI could not read the annotations of routes made inside a function.
import base64
import hashlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.testclient import TestClient
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from querist.pipeline.accounts import people
from querist.pipeline.project import Project
from querist.web.app import create_app
from querist.web.auth import Gate

REFUSED = "The sign-in through single sign-on did not succeed. Try once more."
CLIENT, SECRET = "querist", "a secret: of/the+client"
LEE = {"sub": "248289761001", "email": "lee@example.org", "email_verified": True}
RSA, EC = RSAKey.generate_key(2048, {"kid": "rsa"}), ECKey.generate_key("P-256", {"kid": "ec"})
Claims = dict[str, Any]


def sign(header: Claims, claims: Claims) -> str:
    return jwt.encode(header, claims, RSA if header["alg"] == "RS256" else EC, algorithms=["RS256", "ES256"])


@dataclass
class Provider:
    url: str = ""
    person: Claims = field(default_factory=lambda: dict(LEE))
    told: Claims = field(default_factory=dict)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    alg: str = "RS256"
    bend: Callable[[Claims], Claims] = lambda claims: claims
    sign: Callable[[Claims, Claims], str] = sign
    document: Claims = field(default_factory=dict)
    once: bool = True
    error: str = ""
    codes: dict[str, Claims] = field(default_factory=dict)
    asked: list[Claims] = field(default_factory=list)

    def reset(self) -> None:
        vars(self).update({**vars(Provider()), "url": self.url})

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/.well-known/openid-configuration")
        def discover() -> Claims:
            places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            places |= {"userinfo_endpoint": "userinfo"} if self.told else {}
            found = {"issuer": self.url, **{name: f"{self.url}/{path}" for name, path in places.items()}}
            return {name: value for name, value in {**found, **self.document}.items() if value is not None}

        @app.get("/keys")
        def keys() -> Claims:
            return KeySet([RSA, EC]).as_dict(private=False)

        @app.get("/authorize")
        def authorize(request: Request) -> Response:
            asked = dict(request.query_params)
            self.asked.append(asked)
            code = token_urlsafe(16)
            self.codes[code] = asked
            answer = {"error": self.error} if self.error else {"code": code}
            return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({**answer, 'state': asked['state']})}", 302)

        @app.post("/token")
        async def token(request: Request) -> Response:
            form = dict(parse_qsl((await request.body()).decode()))
            if (refusal := self._unknown_client(request, form)) is not None:
                return refusal
            take = self.codes.pop if self.once else self.codes.get
            asked = take(form["code"], None)
            challenge = hashlib.sha256(form["code_verifier"].encode()).digest()
            right = asked and (asked["code_challenge"], asked["redirect_uri"], asked["code_challenge_method"]) == (
                base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
                form["redirect_uri"],
                "S256",
            )
            if not right:
                return JSONResponse({"error": "invalid_grant"}, 400)
            at = int(self.now().timestamp())
            claims = {"iss": self.url, "aud": CLIENT, "iat": at, "exp": at + 300, "nonce": asked["nonce"]}
            header = {"alg": self.alg, "kid": "rsa" if self.alg == "RS256" else "ec"}
            id_token = self.sign(header, self.bend({**claims, **self.person}))
            return JSONResponse({"access_token": "access", "token_type": "Bearer", "id_token": id_token})

        @app.get("/userinfo")
        def userinfo(request: Request) -> Response:
            allowed = request.headers.get("authorization") == "Bearer access"
            return JSONResponse(self.told) if allowed else JSONResponse({"error": "invalid_token"}, 401)

        return app

    def _unknown_client(self, request: Request, form: Claims) -> Response | None:
        """A client shows its secret as RFC 6749 says, each part encoded."""
        encoded = base64.b64encode(b"querist:a%20secret%3A%20of%2Fthe%2Bclient").decode()
        basic = request.headers.get("authorization") == f"Basic {encoded}"
        posted = (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)
        post_only = "client_secret_post" in self.document.get("token_endpoint_auth_methods_supported", [])
        return None if (posted if post_only else basic) else JSONResponse({"error": "invalid_client"}, 401)


@contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound


def url_of(bound: socket.socket) -> str:
    return f"http://127.0.0.1:{bound.getsockname()[1]}"


@contextmanager
def served(app: FastAPI, bound: socket.socket) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield
    server.should_exit = True
    thread.join()


class Browser:
    """Goes where it is sent, as a browser does: to the provider, too."""

    def __init__(self, project: Project) -> None:
        gate = Gate(project, names=["label.example"])
        self.here = TestClient(create_app(project, gate=gate), base_url="http://localhost", follow_redirects=False)

    def go(self, next: str = "/") -> Any:
        return self.here.get("/sign-in/oidc", params={"next": next})

    def there(self, sent: Any) -> str:
        """The address by which the provider sends the person back."""
        assert sent.status_code == 303, sent.text
        back = httpx.get(sent.headers["location"])
        assert back.status_code == 302, back.text
        return back.headers["location"]

    def sign_in(self, next: str = "/") -> Any:
        return self.here.get(self.there(self.go(next)))

    def me(self) -> int:
        return self.here.get("/password").status_code  # a page that needs no data


def said(answer: Any) -> str:
    return re.search(r'role="alert">([^<]*)<', answer.text)[1]


def refused(answer: Any, status: int, sentence: str) -> bool:
    assert (answer.status_code, said(answer)) == (status, sentence)
    (cookie,) = answer.headers.get_list("set-cookie") or ["; Max-Age=0"]
    return "Max-Age=0" in cookie


def why(project: Project) -> str:
    """The newest entry of the audit log, which a refusal leaves."""
    entry = people.audit_log(project)[-1]
    assert (entry.who, entry.what, entry.detail["by"]) == ("", "sign-in refused", "OpenID Connect")
    return entry.detail["why"]
