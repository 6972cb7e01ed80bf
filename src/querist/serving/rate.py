"""How many requests one address may make."""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil

from starlette.types import ASGIApp, Receive, Scope, Send

from querist.http.attempts import Attempts, network
from querist.http.problems import respond

LIMITED = "/v1/predict"


class RateLimit:
    """Refuses predictions beyond `per_minute` of an address with 429, before their body is read."""

    def __init__(self, app: ASGIApp, *, per_minute: int | None) -> None:
        self.app, self._attempts = app, Attempts(per_minute, minutes=1) if per_minute else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._attempts and scope["type"] == "http" and scope["path"] == LIMITED:
            address = network(scope["client"][0]) if scope.get("client") else ""
            if wait := self._attempts.take(address, now=datetime.now(UTC)):
                detail = f"too many requests of one address; the next is welcome in {wait:.0f} seconds"
                await respond(429, detail, {"retry-after": str(ceil(wait))})(scope, receive, send)
                return
        await self.app(scope, receive, send)
