"""An application behind a server of its own."""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable, Collection

import uvicorn
from starlette.types import ASGIApp

from querist.core.errors import SettingError


def run(
    app: ASGIApp, *, host: str, port: int, proxies: Collection[str], graceful: int, ready: Callable[[str], None]
) -> None:
    """Serves until it is interrupted, then for `graceful` seconds what it has taken; `port` 0 takes a free one. `ready`
    is told the address. Only `proxies` (addresses or networks) are believed when they say for whom, and by https, they
    ask. Raises SettingError where the address cannot be had.
    """
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=graceful,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
    )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small answers at once (TCP_NODELAY) only where the protocol is named; else each may wait for 40 ms.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, port))
            bound.listen(config.backlog)  # whoever comes as soon as the address is told waits, and is not refused
        except OSError as error:
            raise SettingError(f"cannot listen on {host}:{port} ({error.strerror}); choose another --port") from None
        # What is loaded stays: else each full collection stops all requests for as long as it takes to look through it.
        gc.collect()
        gc.freeze()
        ready(f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}")
        uvicorn.Server(config).run(sockets=[bound])
