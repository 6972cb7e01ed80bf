"""Large bodies cost their bytes and no more."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from querist.http.limits import BodyLimit
from querist.web.app import UPLOAD_BYTES

CHUNK = b"x" * (1 << 14)


def test_a_large_upload_in_small_parts_does_not_hold_the_server() -> None:
    """Whoever answers meanwhile waits for it, since one thread takes all requests in."""
    parts, got = UPLOAD_BYTES // len(CHUNK), []

    async def receive() -> dict[str, Any]:
        nonlocal parts
        parts -= 1
        return {"type": "http.request", "body": CHUNK, "more_body": parts > 0}

    async def app(_: Any, receive: Any, __: Any) -> None:
        got.append(len((await receive())["body"]))

    async def send(_: Any) -> None: ...

    scope = {"type": "http", "path": "/api/v1/labels/import", "headers": []}
    start = time.thread_time()
    asyncio.run(BodyLimit(app, most=UPLOAD_BYTES)(scope, receive, send))
    assert got == [UPLOAD_BYTES]
    # Copying what came before with each part takes more than 10 s of work.
    assert time.thread_time() - start < 5.0
