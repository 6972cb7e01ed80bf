from __future__ import annotations

import subprocess
import sys
from urllib.request import urlopen

import pytest

pytest.importorskip("uvicorn", reason="the extra serve is not installed")
SCRIPT = """
import gc, sys
from querist.http.server import run

async def app(scope, receive, send):
    if scope["type"] == "http":
        body = str(gc.get_freeze_count()).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

def ready(address):
    print(address, flush=True)

run(app, host=sys.argv[1], port=int(sys.argv[2]), proxies=(), graceful=1, ready=ready)
"""


def started(host: str, port: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, host, str(port)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_who_comes_as_soon_as_the_address_is_told_is_heard_and_waits_for_no_full_collection() -> None:
    with started("127.0.0.1") as process:
        assert process.stdout is not None
        try:
            with urlopen(process.stdout.readline().strip(), timeout=60) as answer:
                assert int(answer.read()) > 10_000  # objects that no collection looks through any more
        finally:
            process.terminate()


def test_a_port_that_is_taken_is_named() -> None:
    with started("127.0.0.1") as first:
        assert first.stdout is not None
        try:
            port = int(first.stdout.readline().strip().rpartition(":")[2])
            with started("127.0.0.1", port) as second:
                assert second.stderr is not None
                assert f"cannot listen on 127.0.0.1:{port} (" in second.stderr.read()
                assert second.wait(timeout=60) == 1
        finally:
            first.terminate()
