"""A run for TensorBoard: one file of events for each round, so that the files say which rounds are there."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from querist.core.errors import MissingExtra

# TensorBoard reads the files of a folder in the order of their names, and never goes back to an earlier one.
NAME = "events.out.tfevents.{:010}.querist"
NAMED = re.compile(r"events\.out\.tfevents\.(\d{10})\.querist")
BINS = 30
LOG = logging.getLogger("querist.tracking")


class TensorBoardRun:
    """The run in `folder`. Raises MissingExtra without tensorboardX."""

    def __init__(self, folder: Path) -> None:
        try:
            import tensorboardX  # noqa: F401
        except ImportError as error:
            raise MissingExtra("writing for TensorBoard", "tensorboard") from error
        self.folder = folder

    def rounds(self) -> set[int]:
        return {int(found[1]) for path in self.folder.glob("*") if (found := NAMED.fullmatch(path.name))}

    @contextmanager
    def page(self, round: int, at: float) -> Iterator[EventPage]:
        filled = EventPage(self.folder, round, at)
        yield filled
        write_events(self.folder / NAME.format(round), at, [(round, summary) for summary in filled.summaries])

    def artifact(self, name: str, content: str) -> None:
        aside = _aside(self.folder / name)
        aside.write_text(content, encoding="utf-8")
        aside.replace(self.folder / name)


class EventPage:
    def __init__(self, folder: Path, round: int, at: float) -> None:
        self.folder, self.round, self.at = folder, round, at
        self.summaries: list[Any] = []  # Any: protocol buffers of tensorboardX, which has no types

    def params(self, values: Mapping[str, str | float], metric: str) -> None:
        from tensorboardX.summary import hparams

        self.summaries += hparams(dict(values), {metric: 0.0})

    def scalars(self, values: Mapping[str, float]) -> None:
        from tensorboardX.summary import scalar

        self.summaries += [scalar(name, value) for name, value in values.items()]

    def histogram(self, name: str, values: Sequence[float]) -> None:
        from tensorboardX.summary import histogram

        self.summaries.append(histogram(name, np.asarray(values), BINS))

    def text(self, name: str, text: str) -> None:
        from tensorboardX import summary

        self.summaries.append(summary.text(name, text))

    def losses(self, version: str, curves: Mapping[str, Sequence[float]]) -> None:
        """In a run below, so that TensorBoard draws the curves of all model versions over each other."""
        from tensorboardX.summary import scalar

        points = [
            (step, scalar(f"loss/{name}", value))
            for name, values in curves.items()
            for step, value in enumerate(values, start=1)
        ]
        write_events(self.folder / version / NAME.format(self.round), self.at, points)


class LiveLosses:
    """Writes the losses of a training while it goes on, to the file that `EventPage.losses` replaces by the whole.

    A disk that is full stops the writing and nothing else.
    """

    def __init__(self, folder: Path, round: int, clock: Callable[[], datetime]) -> None:
        self.folder, self.round, self.clock = folder, round, clock
        self._version, self._writer = "", None

    def __call__(self, version: str, iteration: int, loss: float) -> None:
        try:
            if version != self._version:
                self._version, self._writer = version, _begun(self.folder / version / NAME.format(self.round))
            if self._writer is not None:
                from tensorboardX.summary import scalar

                _add(self._writer, self.clock().timestamp(), iteration, scalar("loss/train", loss))
                self._writer.flush()
        except OSError as error:
            LOG.warning("the losses of model %s cannot be written (%s)", version, error.strerror)
            self._version, self._writer = version, None


def _begun(path: Path) -> Any:  # Any: tensorboardX has no types
    """An empty file of events; None without tensorboardX, of which the end of the round will tell."""
    try:
        from tensorboardX.record_writer import RecordWriter
    except ImportError:
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    return RecordWriter(str(path))


def write_events(path: Path, at: float, summaries: Iterable[tuple[int, Any]]) -> None:
    """The file as a whole or not at all, the same bytes for the same record. `summaries` are (step, summary)."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import RecordWriter

    aside = _aside(path)
    writer = RecordWriter(str(aside))
    writer.write(Event(wall_time=at, file_version="brain.Event:2").SerializeToString())
    for step, summary in summaries:
        _add(writer, at, step, summary)
    writer.close()
    aside.replace(path)


def _add(writer: Any, at: float, step: int, summary: Any) -> None:
    from tensorboardX.proto.event_pb2 import Event

    writer.write(Event(wall_time=at, step=step, summary=summary).SerializeToString())


def _aside(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".unfinished-{os.getpid()}")
