"""Does a recorded round again, in a ledger of its own, and says what differs from the record and why it may."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from querist import __version__
from querist.config import parse
from querist.core.errors import LedgerError, QueristError, SnapshotCorrupt
from querist.pipeline.conditions import UNDECIDING, Conditions, conditions, settings_by_key
from querist.pipeline.differences import Difference, Recorded, causes, compared, in_bytes, in_settings, left
from querist.pipeline.loop import contexts
from querist.pipeline.project import Progress, Project
from querist.store import replica
from querist.store.analyses import add_analysis
from querist.store.artifacts import Artifacts
from querist.store.ledger import Ledger
from querist.store.models import list_metrics
from querist.store.rounds import get_round, list_queries
from querist.store.steps import Done, find_step, list_steps

if TYPE_CHECKING:
    from querist.step import Context

SHOWN = 20


def verify(project: Project, round: int | None = None, *, progress: Progress | None = None) -> dict[str, Any]:
    """Runs a round (default: the newest evaluated one) again as it ran then, and compares; the loop is not touched.

    Each step starts from what the record says of the steps before it, so that only a step that differs by itself is
    named. Returns {"round", "same", "queries", "metrics", "steps", "model_version", "differences", "more", "causes",
    "seconds"} and keeps it as an analysis "verification". Raises LedgerError when the round cannot be run again.
    """
    start = time.perf_counter()
    recorded = _read(project, project.next_round() - 1 if round is None else round)
    with tempfile.TemporaryDirectory(prefix="querist-verify-") as folder:
        found = [
            *in_settings(recorded),
            *in_bytes(project, recorded),
            *_again(project, recorded, Path(folder), progress),
        ]
    with project.ledger.read() as tx:
        queries, metrics = list_queries(tx, recorded.round), list_metrics(tx, recorded.round)
    result = {
        "round": recorded.round,
        "same": not found,
        "queries": len(queries),
        "metrics": len(metrics),
        "steps": [step.name for step in recorded.steps],
        "model_version": metrics[0].model_version if metrics else None,
        "differences": [asdict(difference) for difference in found[:SHOWN]],
        "more": max(len(found) - SHOWN, 0),
        "causes": causes(recorded, found) if found else [],
        "seconds": time.perf_counter() - start,
    }
    if not project.ledger.read_only:
        with project.ledger.begin() as tx:
            add_analysis(tx, "verification", result, round=recorded.round, now=project.clock())
    return result


def verify_all(project: Project, *, progress: Progress | None = None) -> Iterator[dict[str, Any]]:
    """`verify` of each evaluated round, as they end."""
    for number in range(project.next_round()):
        yield verify(project, number, progress=progress)


class Overlay(Artifacts):
    """Reads what is behind it, and keeps what is new to itself."""

    def __init__(self, own: Path, behind: Artifacts) -> None:
        super().__init__(str(own))
        self._behind = behind

    def get(self, name: str) -> bytes:
        try:
            return super().get(name)
        except SnapshotCorrupt:
            return self._behind.get(name)


class Then(Project):
    """The project as it was: with other settings and another snapshot, on a ledger and artifacts of its own."""

    def __init__(
        self, now: Project, settings: Mapping[str, Any], snapshot: str, ledger: Ledger, artifacts: Artifacts
    ) -> None:
        from querist.snapshots.snapshot import Snapshot

        self.folder, self.clock = now.folder, now.clock
        today = now.settings.model_dump(mode="json", include=set(UNDECIDING))
        self.settings = parse({**settings, **today}, origin="the settings on record")
        self.__dict__ |= {
            "ledger": ledger,
            "artifacts": artifacts,
            "snapshot": Snapshot.open(now.snapshots_url, snapshot),
        }

    def context(self, round: int, under: Conditions, progress: Progress | None) -> Context:
        made: Context = contexts(self, under.oracle, progress or (lambda what, done, total: None))(round)
        return replace(made, settings_key=under.settings)


def _read(project: Project, number: int) -> Recorded:
    if number < 0:
        raise LedgerError("no round is evaluated yet, so there is nothing to verify; run `querist run` first")
    with project.ledger.read() as tx:
        opened, steps = get_round(tx, number), list_steps(tx, number)
        under = {step: found for (_, step), found in conditions(tx, number).items()}
        settings = settings_by_key(tx)
    if missing := [s.name for s in steps if s.name not in under or under[s.name].settings not in settings]:
        raise LedgerError(
            f"the record does not say under which settings {missing[0]} of round {number} ran, for querist "
            f"{steps[0].code_version} wrote it before such things were kept; verify a later round"
        )
    return Recorded(number, steps, under, settings, opened.settings)


def _again(project: Project, recorded: Recorded, folder: Path, progress: Progress | None) -> Iterator[Difference]:
    artifacts = Overlay(folder / "artifacts", project.artifacts)
    ledger: Ledger | None = None
    arrived = 0
    done: list[str] = []
    for place, step in enumerate(recorded.steps):
        under = recorded.under[step.name]
        with project.ledger.read() as tx:
            if ledger is None:
                ledger = Ledger(f"sqlite:///{folder}/{place}.db")
                with ledger.begin() as to:
                    replica.copy(tx, to, replica.Moment(recorded.round, done, under.annotations))
            else:
                with ledger.begin() as to:
                    replica.copy_annotations(tx, to, arrived, under.annotations)
        arrived = under.annotations
        found = list(_step_again(project, ledger, artifacts, step, recorded, progress))
        yield from found
        done.append(step.name)
        if found:  # the next step is to start from the record, not from this
            ledger.close()
            ledger = None
    if ledger is not None:
        ledger.close()


def _step_again(
    project: Project, ledger: Ledger, artifacts: Artifacts, step: Done, recorded: Recorded, progress: Progress | None
) -> Iterator[Difference]:
    from querist.pipeline.runner import run_step

    under = recorded.under[step.name]
    try:
        then = Then(project, recorded.settings[under.settings], under.snapshot, ledger, artifacts)
        ctx = then.context(recorded.round, under, progress)
        started = datetime.fromisoformat(step.started_at)
        result = run_step(_named(project, step.name, ctx), ledger, ctx, lambda: started)
    except QueristError as error:
        yield Difference(step.name, "the step", "done", str(error))
        return
    if result.status == "waiting":
        yield Difference(step.name, "the step", "done", "waits for labels that the record does not hold")
        return
    with project.ledger.read() as tx, ledger.read() as again:
        yield from compared(step.name, left(tx, step), left(again, find_step(again, step.round, step.name)))


def _named(project: Project, name: str, ctx: Context) -> Any:  # Any: each step has inputs and outputs of its own
    from querist.pipeline.monitoring.drift_rounds import query_of
    from querist.pipeline.runner import steps_of
    from querist.stages.retraining.step import LearnerChange

    with project.ledger.read() as tx:
        query = query_of(tx, ctx.round, ctx.settings.query)
    steps = {step.NAME: step for step in [LearnerChange(), *steps_of(ctx.round, query, several=ctx.sets is not None)]}
    if name not in steps:
        raise LedgerError(
            f"querist {__version__} has no step {name!r} in round {ctx.round}; use the version that had it"
        )
    return steps[name]
