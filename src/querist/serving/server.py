"""The served model behind a server of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from querist.core.errors import DataError
from querist.http import server
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
    server.run(
        create_app(folder, settings),
        host=host,
        port=port,
        proxies=proxies,
        graceful=int(settings.request_seconds) + 1,
        ready=ready,
    )
