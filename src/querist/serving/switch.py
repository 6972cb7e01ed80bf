"""Which versions of the folder answer now, and the change from one to the next without losing a request."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from querist.config.section import Section
from querist.core.errors import DataError, QueristError
from querist.core.hashing import unit_hash
from querist.serving.batching import Lane
from querist.serving.comparison import Agreement, Traffic
from querist.serving.metrics import Metrics
from querist.serving.model import Batch, RawItem, Refused, ServedModel, open_model
from querist.serving.settings import ServingSettings
from querist.stages.deploy.bundle import current

Role = Literal["stable", "canary", "shadow"]
ROLLOUT = "rollout.json"
ITEM_SIZE, VALUE_SIZE = 100, 10
"""What an item, and a number in it, takes of the model's time beside its text, in characters."""
log = logging.getLogger("querist.serving")


class Rollout(Section):
    """rollout.json of the deployed folder; what the settings of the server name comes first."""

    shadow: str | None = None
    every: int = Field(default=10, ge=1)
    canary: str | None = None
    share: float = Field(default=0.05, ge=0, le=1)


@dataclass(frozen=True)
class Part:
    """The answer to one request: its rows in the batch that it was part of."""

    batch: Batch
    span: slice


@dataclass(frozen=True)
class Open:
    """A version with its queue. `traffic` counts since it has its role."""

    model: ServedModel
    lane: Lane[RawItem, Part]
    traffic: Traffic


@dataclass(frozen=True)
class State:
    """What answers now; replaced as a whole."""

    rollout: Rollout = field(default_factory=Rollout)
    roles: dict[Role, Open] = field(default_factory=dict)
    agreement: Agreement = field(default_factory=Agreement)

    def pick(self, request_id: str) -> tuple[Role, Open] | None:
        """The version that answers; the same id always meets the same one. None before the first is open."""
        if "canary" in self.roles and unit_hash(request_id) < self.rollout.share:
            return "canary", self.roles["canary"]
        return ("stable", self.roles["stable"]) if "stable" in self.roles else None

    def shadowed(self, request_id: str) -> bool:
        """Drawn by another hash than the canary's, so that both see all kinds of requests."""
        return "shadow" in self.roles and unit_hash(f"shadow {request_id}") * self.rollout.every < 1


class Switch:
    """Keeps `state` at what the folder asks for."""

    def __init__(self, folder: Path, settings: ServingSettings, metrics: Metrics) -> None:
        self.state = State()
        self._folder, self._settings, self._metrics = folder, settings, metrics
        self._loader = ThreadPoolExecutor(1, "loader")
        self._changing = asyncio.Lock()
        self._seen: object = None
        self._draining: set[asyncio.Task[None]] = set()

    @property
    def n_waiting(self) -> int:
        return sum(lane.n_waiting for lane in {one.lane for one in self.state.roles.values()})

    async def watch(self) -> None:
        """Follows the folder until cancelled; what cannot be opened is logged once, and what answered goes on."""
        while True:
            seen = _signs(self._folder)
            if seen != self._seen:
                with suppress(QueristError):  # logged where it was raised
                    await self.refresh()
                self._seen = seen
            await asyncio.sleep(self._settings.poll_seconds)

    async def refresh(self) -> None:
        """Opens and warms what is newly asked for, then changes over in one assignment; the old versions answer what
        they have taken. Raises QueristError where the current version cannot be opened, and changes nothing then; a
        shadow or canary that cannot is left out.
        """
        async with self._changing:
            was = self.state
            rollout, roles = await self._wanted(was)
            versions = {role: one.model.version for role, one in roles.items()}
            changed = versions != {role: one.model.version for role, one in was.roles.items()}
            self.state = State(rollout, roles, Agreement() if changed else was.agreement)
            self._metrics.opened({role: _names(one.model) for role, one in roles.items()})
            for lane in {one.lane for one in was.roles.values()} - {one.lane for one in roles.values()}:
                task = asyncio.create_task(lane.drain())
                self._draining.add(task)
                task.add_done_callback(self._draining.discard)
            if changed:
                log.info("versions", extra={"fields": {"event": "load", "outcome": "done", "versions": versions}})

    async def close(self) -> None:
        """Once all that was taken is answered."""
        lanes, self.state = {one.lane for one in self.state.roles.values()}, State()
        await asyncio.gather(*(lane.drain() for lane in lanes), *self._draining)
        self._loader.shutdown()

    async def _wanted(self, was: State) -> tuple[Rollout, dict[Role, Open]]:
        lanes = {one.model.version: one for one in was.roles.values()}
        roles: dict[Role, Open] = {}

        async def give(role: Role, version: str) -> None:
            before = was.roles.get(role)
            if before is None or before.model.version != version:
                lanes[version] = found = lanes.get(version) or await self._open(version)
                before = Open(found.model, found.lane, Traffic(found.model.classes))
            roles[role] = before

        with self._reported():
            stable = current(self._folder)
            if stable is None:
                raise DataError(f"{self._folder} has no current version; promote one")
            await give("stable", stable)
        rollout = was.rollout
        with suppress(QueristError), self._reported():  # must not stand in the way of a new version, or of the way back
            rollout = read_rollout(self._folder, self._settings)
        for role, version in _beside(rollout, stable):
            with suppress(QueristError), self._reported():
                await give(role, version)
        return rollout, roles

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except QueristError as error:
            self._metrics.loads.labels("failed").inc()
            log.error("not loaded", extra={"fields": {"event": "load", "outcome": "failed", "why": str(error)}})
            raise

    async def _open(self, version: str) -> Open:
        loop = asyncio.get_running_loop()
        model = await loop.run_in_executor(
            self._loader, lambda: open_model(self._folder, version, pixels=self._settings.image_pixels)
        )
        gc.freeze()  # no full collection looks through what a model and its libraries are made of
        self._metrics.loads.labels("done").inc()
        lane: Lane[RawItem, Part] = Lane(
            lambda parts: predict_parts(model, parts),
            max_batch=self._settings.max_batch,
            max_wait=self._settings.max_wait_ms / 1000,
            queue_items=self._settings.queue_items,
            weigh=weigh,
            observe=self._metrics.batches.observe,
        )
        return Open(model, lane, Traffic(model.classes))


def predict_parts(model: ServedModel, parts: Sequence[Sequence[RawItem]]) -> list[Part | Exception]:
    """One prediction for the items of all parts that the model can read; why not, for the others."""
    answers: dict[int, Part | Exception] = {}
    read: list[tuple[Any, ...]] = []
    spans: dict[int, slice] = {}
    for number, part in enumerate(parts):
        try:
            found = model.read(part)
        except Refused as refused:
            answers[number] = refused
            continue
        spans[number] = slice(len(read), len(read) + len(part))
        read += found
    if spans:
        batch = model.predict(read)
        if len(batch.proba) != len(read):  # nobody may get the answer to another request
            raise RuntimeError(f"the model gave {len(batch.proba)} rows for {len(read)} items")
        answers |= {number: Part(batch, span) for number, span in spans.items()}
    return [answers[number] for number in range(len(parts))]


def weigh(item: RawItem) -> float:
    """Its characters, and some for the item and each value. What an image unpacks to, its bytes do not tell."""
    if "image" in item:
        return math.inf
    values = item["columns"].values() if "columns" in item else [item["text"]]
    return ITEM_SIZE + sum(len(value) if isinstance(value, str) else VALUE_SIZE for value in values)


def _beside(rollout: Rollout, stable: str) -> list[tuple[Role, str]]:
    """A version that is current already neither tries itself out nor watches itself."""
    named: list[tuple[Role, str | None]] = [("canary", rollout.canary), ("shadow", rollout.shadow)]
    return [(role, version) for role, version in named if version is not None and version != stable]


def read_rollout(folder: Path, settings: ServingSettings) -> Rollout:
    """What runs beside the current version. Raises DataError for a rollout.json that says nothing sensible."""
    path = folder / ROLLOUT
    try:
        given = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        found = Rollout.model_validate(given)
    except (ValueError, ValidationError) as error:
        raise DataError(f"{path} cannot be used ({error}); it holds shadow, every, canary and share") from None
    named = {name: getattr(settings, name) for name in Rollout.model_fields if name in settings.model_fields_set}
    return found.model_copy(update=named)


def _names(model: ServedModel) -> dict[str, str]:
    return {"version": model.version, "pipeline_version": str(model.facts["pipeline_version"])}


def _signs(folder: Path) -> list[tuple[int, int] | None]:
    """Changes whenever `current` or rollout.json was written."""
    found: list[tuple[int, int] | None] = []
    for name in ("current", ROLLOUT):
        try:
            stat = (folder / name).stat()
            found.append((stat.st_mtime_ns, stat.st_ino))
        except OSError:
            found.append(None)
    return found
