"""`querist serve`: the web application behind a server of its own."""

from __future__ import annotations

import socket
from collections.abc import Callable, Collection

import uvicorn

from querist.core.errors import SettingError
from querist.pipeline.project import Project
from querist.web.app import create_app
from querist.web.auth import Gate


def serve(
    project: Project,
    *,
    host: str,
    port: int,
    names: Collection[str] = (),
    proxies: Collection[str] = (),
    ready: Callable[[str], None],
) -> None:
    """Serves until it is interrupted; `port` 0 takes a free one. `ready` is told the address to open.

    Only `proxies` (addresses or networks) are believed when they say for whom, and by https, they ask.
    """
    gate = Gate(project, host=host, names=names)
    app = create_app(project, gate=gate)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small answers at once (TCP_NODELAY) only where the protocol is named; else each may wait for 40 ms.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((host, port))
        except OSError as error:
            raise SettingError(f"cannot listen on {host}:{port} ({error.strerror}); choose another --port") from None
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{bound.getsockname()[1]}"
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
            proxy_headers=bool(proxies),
            forwarded_allow_ips=list(proxies),
        )
        ready(address + gate.one_time_path() if gate.alone else f"{address}/")
        uvicorn.Server(config).run(sockets=[bound])
