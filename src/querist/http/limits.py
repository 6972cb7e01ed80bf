"""What every answer carries, and what no request may exceed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from querist.http.problems import respond

BODY_BYTES = 1 << 20
BODY_SECONDS = 30.0
LEAST_RATE = 64 << 10
"""Bytes a second: a body has its 30 seconds, and for what has come so far the time that this rate takes."""
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


RAW_HEADERS = [(name.encode(), value.encode()) for name, value in {**HEADERS, "cache-control": "no-store"}.items()]


class SafeHeaders:
    """Adds the headers that keep a page to itself, where it says nothing else; pages of people's data are never
    cached.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message["headers"])
                said = {name.lower() for name, _ in given}
                message["headers"] = given + [pair for pair in RAW_HEADERS if pair[0] not in said]
            await send(message)

        await self.app(scope, receive, add if scope["type"] == "http" else send)


class BodyLimit:
    """Refuses a body beyond `most` bytes (of a path in `larger`: beyond those) with 413, declared or not, before it is
    in memory, and one that trickles with 408.
    """

    def __init__(self, app: ASGIApp, *, most: int = BODY_BYTES, larger: Mapping[str, int] | None = None) -> None:
        self.app, self._most, self._larger = app, most, larger or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self._larger.get(scope["path"], self._most)
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > limit:
            await respond(413, f"a body has at most {limit} bytes")(scope, receive, send)
            return
        body = bytearray()  # bytes would be copied with each part, which takes quadratic time
        begun = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(begun + BODY_SECONDS) as time:
                while len(body) <= limit:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    body += message.get("body", b"")
                    if not message.get("more_body", False):
                        break
                    time.reschedule(begun + BODY_SECONDS + len(body) / LEAST_RATE)
        except TimeoutError:
            detail = f"the body came too slowly: send all of it within {BODY_SECONDS:g} seconds"
            await respond(408, detail, {"connection": "close"})(scope, receive, send)
            return
        if len(body) > limit:
            await respond(413, f"a body has at most {limit} bytes")(scope, receive, send)
            return
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self.app(scope, replay, send)
