"""The step protocol: read, compute, keep, write. A step's output and its `done` mark are one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar

from querist.config import Settings
from querist.core.label_sets import LabelSets
from querist.models.features import Features
from querist.models.learners import LearnerSpec
from querist.snapshots.snapshot import Snapshot
from querist.store.artifacts import Artifacts
from querist.store.ledger import Tx

Progress = Callable[[str, int, int | None], None]
"""(what, done, total): called as work goes on."""
OnLoss = Callable[[str, int, float], None]
"""(model version, iteration, loss): called while a model is trained."""


@dataclass
class Stopwatch:
    """Seconds by part of a step (fit, predict, ...); the rest of the step is overhead of the loop itself."""

    parts: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.parts[part] = self.parts.get(part, 0.0) + time.perf_counter() - start


@dataclass(frozen=True)
class Context:
    """What a step may use besides the ledger. Snapshot, features and artifacts are immutable content."""

    settings: Settings
    round: int
    now: datetime
    snapshot: Snapshot
    features: Features
    artifacts: Artifacts
    classes: tuple[str, ...]
    learner: LearnerSpec
    oracle: str | None
    code_version: str
    settings_key: str
    progress: Progress
    stopwatch: Stopwatch
    on_loss: OnLoss | None = None

    @property
    def sets(self) -> LabelSets | None:
        """How the labels of an item are written where it may have several; None where it has one."""
        return self.settings.data.sets


@dataclass(frozen=True)
class StepResult:
    """`waiting` leaves no trace and is asked again later; `done` is recorded with `values`."""

    status: Literal["done", "waiting"]
    values: Mapping[str, Any] = field(default_factory=dict)


class Inputs(Protocol):
    @property
    def key(self) -> str:
        """Hash of ids, array bytes and sorted JSON: what the step's result depends on."""
        ...


In = TypeVar("In", bound=Inputs)
Out = TypeVar("Out")
Kept = TypeVar("Kept")


class Step(Protocol[In, Out, Kept]):
    """The ledger is open in `read` and `write` alone, which speak to nothing else and are quick."""

    NAME: str
    VERSION: int

    @property
    def uses_model(self) -> bool:
        """Whether it applies the current model to today's features, which must then be those it was trained on."""
        ...

    def read(self, tx: Tx, ctx: Context) -> In: ...
    def compute(self, inputs: In, ctx: Context) -> Out:
        """Changes nothing, and opens no database or clock; of files, only the immutable content of the context."""
        ...

    def keep(self, outputs: Out, ctx: Context) -> Kept:
        """Stores what is too large for the ledger, under its hash: done twice it does no harm."""
        ...

    def write(self, tx: Tx, kept: Kept, ctx: Context) -> StepResult: ...
