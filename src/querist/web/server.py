"""`querist serve`: the web application behind a server of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection

from querist.http import server
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

    def tell(address: str) -> None:
        ready(address + gate.one_time_path() if gate.alone else f"{address}/")

    server.run(create_app(project, gate=gate), host=host, port=port, proxies=proxies, graceful=5, ready=tell)
