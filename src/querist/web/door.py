"""Before anything else: a request under a strange host name is refused, and the one-time URL becomes a session."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from querist.http.problems import respond
from querist.pipeline.accounts.sign_in import follow_link
from querist.web.auth import Gate
from querist.web.sessions import set_cookie


class Door:
    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self.app, self.gate = app, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        hosts = request.headers.getlist("host")
        if len(hosts) != 1 or not self.gate.knows(hosts[0]):
            detail = "this server does not go by that host name; name it in `querist serve --allow-host`"
            await respond(421, detail)(scope, receive, send)
        elif request.method == "GET" and request.url.path == "/" and "token" in request.query_params:
            response = await run_in_threadpool(self._enter, request, request.query_params["token"])
            await response(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _enter(self, request: Request, token: str) -> Response:
        secret = follow_link(self.gate.project, token) if self.gate.alone else None
        if secret is None and self.gate.person(request) is None:
            return respond(403, "this link was used already or has expired; start `querist serve` again for another")
        response = RedirectResponse("/", 303)  # the token leaves the address bar
        if secret is not None:
            set_cookie(request, response, self.gate.cookie, secret)
        return response
