"""Around each request: its id, its time, its place in the metrics and in the log. Never the text of an item."""

from __future__ import annotations

import json
import logging
import re
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from querist.serving.metrics import Metrics

REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
QUIET = ("/healthz", "/readyz", "/metrics")
"""Asked every few seconds by machines; logged only where they break."""
log = logging.getLogger("querist.serving")


class Observed:
    """Outermost: what a limit refuses is counted as well. `scope["state"]` gets `request_id`, and takes `fields` for
    the log's line."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self.app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid4().hex
        fields: dict[str, Any] = {}  # Any: what JSON can hold
        scope.setdefault("state", {}).update(request_id=request_id, fields=fields)

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self.app(scope, receive, tell)
        finally:
            seconds = time.perf_counter() - begun
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(route, status).inc()
            self._metrics.seconds.labels(route).observe(seconds)
            if log.isEnabledFor(logging.INFO) and (route not in QUIET or status == 500):
                line = {"event": "request", "request_id": request_id, "method": scope["method"], "route": route}
                log.info("request", extra={"fields": line | {"status": status, "ms": round(seconds * 1e3, 2)} | fields})


class JsonLines(logging.Formatter):
    """One JSON object a line: at, level, and the record's `fields`."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields = getattr(record, "fields", None) or {"event": "message", "message": record.getMessage()}
        return json.dumps({"at": at, "level": record.levelname.lower(), **fields})


def log_to_stderr() -> None:
    """What the server process does; a program that has the application inside decides for itself."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO)
