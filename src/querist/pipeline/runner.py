"""Runs the steps of a round in order, once each: what is done is skipped, what waits is asked again later."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from querist.config.loop import QuerySettings
from querist.core.hashing import key_of
from querist.pipeline.conditions import note
from querist.pipeline.monitoring.drift_rounds import query_of
from querist.stages.evaluation.step import Evaluation
from querist.stages.human_labeling.step import HumanLabeling
from querist.stages.initial_model.step import InitialModel, SeedSet
from querist.stages.query_strategy.ask import make
from querist.stages.query_strategy.step import QueryStrategy
from querist.stages.retraining.step import LearnerChange, Retraining
from querist.stages.uncertainty_scoring.step import UncertaintyScoring
from querist.step import Context, Step, StepResult, Stopwatch
from querist.store.ledger import Ledger, iso
from querist.store.replica import newest_annotation
from querist.store.steps import Done, add_step, find_step
from querist.training import change_since, current_model

AnyStep = Step[Any, Any, Any]  # Any: each step has inputs and outputs of its own
Until = Literal["asked", "retrained", "evaluated"]
LAST_STEPS: Mapping[Until, tuple[str, ...]] = {
    "asked": ("seed_set", "query_strategy"),
    "retrained": ("initial_model", "retraining"),
    "evaluated": ("evaluation",),
}
"""What a round has done last when it has come so far: in round 0, in every later one."""


def steps_of(round: int, query: QuerySettings, *, several: bool = False) -> list[AnyStep]:
    """The stages of one round: round 0 asks the seed set, every later one asks by strategy; `several` where items may
    have several labels."""
    if round == 0:
        return [SeedSet(), HumanLabeling(), InitialModel(), Evaluation()]
    strategy, measures = make(query.strategy, query.params, query.measures, several=several)
    return [
        UncertaintyScoring(measures),
        QueryStrategy(query.strategy, strategy),
        HumanLabeling(),
        Retraining(),
        Evaluation(),
    ]


@contextmanager
def seldom_collect() -> Iterator[None]:
    """Python's garbage of the oldest generation is looked for ten times less often inside the block.

    Each look walks through all that the imported modules hold, for a tenth of a second, and finds next to nothing.
    """
    before = gc.get_threshold()
    gc.set_threshold(*before[:2], 10 * before[2])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def run_step(step: AnyStep, ledger: Ledger, ctx: Context, clock: Callable[[], datetime]) -> StepResult:
    """Runs one step unless it is done. No transaction is open while it computes and keeps."""
    with ledger.read() as tx:
        done = find_step(tx, ctx.round, step.NAME)
        if done is not None:
            return StepResult("done", done.result)
        ctx = replace(ctx, now=clock(), stopwatch=Stopwatch())
        start = time.perf_counter()
        arrived = newest_annotation(tx)
        inputs = step.read(tx, ctx)
    kept = step.keep(step.compute(inputs, ctx), ctx)
    with ledger.begin() as tx:
        result = step.write(tx, kept, replace(ctx, now=clock()))
        if result.status == "done":
            add_step(
                tx,
                Done(
                    round=ctx.round,
                    name=step.NAME,
                    version=step.VERSION,
                    inputs=key_of(inputs.key, ctx.round, ctx.snapshot.id, ctx.settings_key, list(ctx.classes)),
                    result=result.values,
                    started_at=iso(ctx.now),
                    seconds=time.perf_counter() - start,
                    seconds_by_part=ctx.stopwatch.parts,
                    code_version=ctx.code_version,
                ),
            )
            note(tx, step.NAME, arrived, ctx)
    return result


def run_round(
    ledger: Ledger,
    ctx: Context,
    clock: Callable[[], datetime],
    on_step: Callable[[int, str, str], None],
    *,
    until: Until = "evaluated",
) -> StepResult:
    """Runs a round from where it stands `until` it has come so far, or to the first step that waits."""
    result = StepResult("done")
    with ledger.read() as tx:
        query = query_of(tx, ctx.round, ctx.settings.query)
    for planned in steps_of(ctx.round, query, several=ctx.sets is not None):
        for step in [LearnerChange(), planned] if needs_change(planned, ledger, ctx) else [planned]:
            on_step(ctx.round, step.NAME, "running")
            result = run_step(step, ledger, ctx, clock)
            on_step(ctx.round, step.NAME, result.status)
            if result.status == "waiting" or step.NAME in LAST_STEPS[until]:
                return result
    return result


def needs_change(step: AnyStep, ledger: Ledger, ctx: Context) -> bool:
    """Whether the step is still to come and would apply a model to other features than it was trained on."""
    if not step.uses_model:
        return False
    with ledger.read() as tx:
        to_come = find_step(tx, ctx.round, step.NAME) is None
        return to_come and change_since(current_model(tx), ctx) is not None
