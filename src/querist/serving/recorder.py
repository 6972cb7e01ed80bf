"""Hands what was predicted to the prediction log, beside the answers and never before them."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np

from querist.serving.model import Batch, RawItem, ServedModel
from querist.stages.monitoring.logs import PredictionLog

MOST_WAITING = 1_000


@dataclass(frozen=True)
class Said:
    """What one request was answered: `span` are its rows in the batch."""

    at: datetime
    request_id: str
    model: ServedModel
    batch: Batch
    span: slice
    items: Sequence[RawItem]


class Recorder:
    """Projects and writes in a thread of its own; what finds the queue full is dropped and counted."""

    def __init__(self, log: PredictionLog, keep: Literal["features", "texts", "none"]) -> None:
        self._log, self._keep, self._dropped = log, keep, 0
        self._queue: queue.Queue[Said | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="prediction-recorder", daemon=True)
        self._thread.start()

    def add(self, said: Said) -> None:
        try:
            self._queue.put_nowait(said)
        except queue.Full:
            self._dropped += said.span.stop - said.span.start

    @property
    def counts(self) -> dict[str, Callable[[], int]]:
        return {"written": lambda: self._log.written, "dropped": lambda: self._dropped + self._log.dropped}

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()
        self._log.close()

    def _run(self) -> None:
        while (said := self._queue.get()) is not None:
            try:
                self._write(said)
            except Exception:  # a plugin's encoder or a damaged reference must not end the log for all that follows
                self._dropped += said.span.stop - said.span.start

    def _write(self, said: Said) -> None:
        proba, texts = said.batch.proba[said.span], said.batch.texts
        kept: dict[str, Any] = {"embeddings": np.zeros((len(proba), 0), dtype=np.float32)}
        if self._keep != "none":
            kept["embeddings"] = said.model.project(said.batch.rows[said.span])
            if texts is not None:
                kept["n_chars"] = [len(text) for text in texts[said.span]]
                kept["unseen"] = said.model.unseen(texts[said.span])
        if self._keep == "texts":
            kept["items"] = [None if "image" in item else json.dumps(item, ensure_ascii=False) for item in said.items]
        self._log.add(
            at=said.at,
            version=said.model.facts["model_version"],
            request_ids=names(said.request_id, len(proba)),
            classes=said.model.classes,
            proba=proba,
            sets=said.model.sets,
            **kept,
        )


def names(request_id: str, n: int) -> list[str]:
    """Each item of a request has a name of its own, since it may become an item of the project."""
    return [request_id] if n == 1 else [f"{request_id}-{number}" for number in range(n)]
