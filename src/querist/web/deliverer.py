"""Outgoing webhooks, and what an orchestrator is told, once a second, in a thread of their own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from querist.core.errors import QueristError
from querist.orchestration.notify import orchestrator, tell_due
from querist.pipeline.exchange.sender import Client, Sender
from querist.pipeline.exchange.signatures import secret_of
from querist.pipeline.exchange.webhooks import deliver_due
from querist.pipeline.project import Project

SECONDS = 1.0
LOG = logging.getLogger("querist.webhooks")


class Deliverer:
    """Does nothing where nobody is to be told. Raises SettingError where a webhook is set and its secret is not."""

    def __init__(self, project: Project) -> None:
        settings, orchestration = project.settings.webhooks, project.settings.orchestration
        self._project, self._ways = project, list[tuple[Callable[[Project, datetime, Client], int], Client]]()
        if settings.urls:
            secret_of(settings.secret_env)
            self._ways.append((deliver_due, Sender(allow_private=settings.allow_private)))
        if orchestration.told:
            self._ways.append((tell_due, orchestrator(orchestration)))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._deliver, name="querist-webhooks", daemon=True)

    def start(self) -> None:
        if self._ways:
            self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _deliver(self) -> None:
        while not self._stop.wait(SECONDS):
            for way, client in self._ways:
                try:
                    way(self._project, self._project.clock(), client)
                except QueristError as error:  # the database may be back in a second
                    LOG.warning("webhooks wait: %s", error)
                except Exception:  # this thread is a rim: without it nobody would be told anything any more
                    LOG.exception("webhooks wait")
