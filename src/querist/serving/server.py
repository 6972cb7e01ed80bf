"""The served model behind a server of its own."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection
from pathlib import Path

import uvicorn

from querist.core.errors import DataError, SettingError
from querist.serving.app import create_app
from querist.serving.observed import log_to_stderr
from querist.serving.settings import ServingSettings
from querist.stages.deploy.bundle import current


def serve(
    folder: Path,
    settings: ServingSettings,
    *,
    host: str,
    port: int,
    proxies: Collection[str] = (),
    ready: Callable[[str], None],
) -> None:
    """Serves until it is interrupted, then answers what it has taken; `port` 0 takes a free one. `ready` is told the
    address. Only `proxies` (addresses or networks) are believed when they say for whom they ask.

    Raises DataError where the folder has no current version, SettingError where the address cannot be had.
    """
    if current(folder) is None:
        raise DataError(f"{folder} has no current version to serve; `querist deploy promote` gives it one")
    log_to_stderr()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small answers at once (TCP_NODELAY) only where the protocol is named; else each may wait for 40 ms.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, port))
        except OSError as error:
            raise SettingError(f"cannot listen on {host}:{port} ({error.strerror}); choose another --port") from None
        config = uvicorn.Config(
            create_app(folder, settings),
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=int(settings.request_seconds) + 1,
            proxy_headers=bool(proxies),
            forwarded_allow_ips=list(proxies),
        )
        ready(f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}")
        uvicorn.Server(config).run(sockets=[bound])
