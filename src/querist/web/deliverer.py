"""Outgoing webhooks, once a second, in a thread of their own."""

from __future__ import annotations

import logging
import threading

from querist.core.errors import QueristError
from querist.pipeline.project import Project
from querist.pipeline.sender import Sender
from querist.pipeline.signatures import secret_of
from querist.pipeline.webhooks import deliver_due

SECONDS = 1.0
LOG = logging.getLogger("querist.webhooks")


class Deliverer:
    """Does nothing where no webhook is set. Raises SettingError where one is and its secret is not."""

    def __init__(self, project: Project) -> None:
        settings = project.settings.webhooks
        self._project, self._wanted = project, bool(settings.urls)
        if self._wanted:
            secret_of(settings.secret_env)
            self._client = Sender(allow_private=settings.allow_private)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._deliver, name="querist-webhooks", daemon=True)

    def start(self) -> None:
        if self._wanted:
            self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _deliver(self) -> None:
        while not self._stop.wait(SECONDS):
            try:
                deliver_due(self._project, self._project.clock(), self._client)
            except QueristError as error:  # the database may be back in a second
                LOG.warning("webhooks wait: %s", error)
            except Exception:  # this thread is a rim: without it nobody would be told anything any more
                LOG.exception("webhooks wait")
