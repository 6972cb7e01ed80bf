"""Query strategy: chooses the batch from the scores that uncertainty scoring left, and opens the round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist import plugins
from querist.asking import (
    CONTROL,
    Asked,
    build_queries,
    committed,
    control_due,
    gold_candidates,
    items_left,
    keep_images,
    mix,
    mix_gold,
    pick_gold,
    write_round,
)
from querist.core.errors import LedgerError, SnapshotCorrupt
from querist.core.hashing import key_of
from querist.core.memory import Memory
from querist.core.protocols import Strategy
from querist.core.selection import stream
from querist.core.types import Indices
from querist.pools import Known, Scored, costs_of, make_pool, prices_of, terms_of
from querist.stages.query_strategy.ask import ask
from querist.stages.query_strategy.reasons import explain
from querist.step import Context, StepResult
from querist.store.ledger import Tx
from querist.store.models import Model
from querist.store.rounds import Query
from querist.store.steps import find_step
from querist.training import PART, Labels, current_model, find_labels, load_learner, open_labels, predict

CONTROL_REASON = "drawn at random to check the model"


@dataclass(frozen=True)
class Inputs:
    scored: Mapping[str, Any]
    labels: Labels
    model: Model
    affordable: int | None
    memory: str | None
    previous: str | None
    gold: Indices

    @property
    def key(self) -> str:
        return key_of(self.scored["scores"], self.model.version, self.affordable, self.gold)


@dataclass(frozen=True)
class Outputs:
    asked: Asked
    queries: list[Query]
    memory: Memory
    n_control: int


@dataclass(frozen=True)
class Kept:
    asked: Asked
    queries: list[Query]
    memory: str | None
    n_control: int


class QueryStrategy:
    """`strategy` as made from the settings, under the name that the record keeps."""

    NAME = "query_strategy"
    VERSION = 1

    def __init__(self, name: str, strategy: Strategy) -> None:
        self.name, self.strategy = name, strategy

    @property
    def uses_model(self) -> bool:
        return bool(self.strategy.needs & {"model", "labeled_proba"})

    def read(self, tx: Tx, ctx: Context) -> Inputs:
        scored = find_step(tx, ctx.round, "uncertainty_scoring")
        if scored is None:
            raise LedgerError(f"round {ctx.round} has no scores yet; uncertainty scoring comes first")
        before, then = (find_step(tx, ctx.round - 1, name) for name in (self.NAME, "uncertainty_scoring"))
        return Inputs(
            scored=scored.result,
            labels=find_labels(tx, ctx),
            model=current_model(tx),
            affordable=items_left(committed(tx, ctx.settings), ctx.settings, oracle=ctx.oracle is not None),
            memory=before.result.get("memory") if before else None,
            previous=then.result["scores"] if then else None,
            gold=gold_candidates(tx, ctx),
        )

    def compute(self, inputs: Inputs, ctx: Context) -> Outputs:
        arrays = ctx.artifacts.get_arrays(inputs.scored["scores"])
        positions, proba, scores = (arrays[name] for name in ("positions", "proba", "scores"))
        batch = ctx.settings.query.batch_size
        if inputs.affordable is not None:
            batch = min(batch, inputs.affordable)
        gold = min(round(ctx.settings.labeling.gold_share * batch), len(inputs.gold))
        batch = min(batch - gold, len(positions))
        settings, memory = ctx.settings, remember(inputs.memory, ctx)
        n_control = control_due(settings.query.control_share, batch, ctx.round)
        control = stream(settings.project.seed, ctx.round, CONTROL).choice(len(positions), n_control, replace=False)
        rest = np.delete(np.arange(len(positions)), control) if n_control else slice(None)
        pool = make_pool(
            self.strategy,
            ctx.features,
            positions[rest],
            Known(*open_labels(inputs.labels, ctx)["pool"]),
            terms_of(settings, ctx.learner, ctx.classes, ctx.features.space, seed=settings.project.seed),
            proba=proba[rest],
            scores=scores[rest],
            learner=lambda: load_learner(inputs.model, ctx),
            memory=memory,
            budget_left=inputs.affordable,
            rng=stream(settings.project.seed, ctx.round, "committee"),
            previous=lambda: scored_before(inputs.previous, ctx),
            costs=lambda: costs_of(prices_of(ctx.snapshot, settings), settings.query.cost, positions),
        )
        chosen = ask(self.strategy, pool, batch - n_control, stream(settings.project.seed, ctx.round, self.NAME))
        picked = np.arange(len(positions))[rest][chosen.indices]
        asked = replace(
            self._asked(picked, chosen.reasons, inputs, arrays, ctx),
            thresholds=chosen.thresholds,
            note=chosen.note,
        )
        queries = build_queries(asked, ctx)
        if n_control:
            reasons = [CONTROL_REASON] * n_control  # alone: what the model thinks would sway the answers that check it
            drawn = self._asked(control, reasons, inputs, arrays, ctx)
            drawn = replace(drawn, strategy=CONTROL, reasons=reasons)
            queries = mix(queries, build_queries(drawn, ctx), stream(settings.project.seed, ctx.round, "mix control"))
        if gold:
            queries = mix_gold(queries, self._gold(gold, inputs, ctx), stream(settings.project.seed, ctx.round, "gold"))
        return Outputs(asked, queries, memory, n_control)

    def _asked(
        self,
        at: Indices,
        reasons: Sequence[str],
        inputs: Inputs,
        arrays: Mapping[str, NDArray[Any]],
        ctx: Context,
    ) -> Asked:
        positions, scores, picked = arrays["positions"], arrays["scores"], arrays["proba"][at]
        alone = {name: arrays.get(f"{PART}{name}") for name in inputs.scored["measures"]}
        parts = {
            name: plugins.find("measures", name)(picked) if said is None else said[at] for name, said in alone.items()
        }
        return Asked(
            positions=positions[at],
            scores=[float(s) for s in scores[at]],
            parts=[{name: float(values[i]) for name, values in parts.items()} for i in range(len(at))],
            proba=picked,
            strategy=self.name,
            model_version=inputs.scored["model_version"],
            thresholds={},
            note="",
            reasons=explain(picked, ctx.classes, reasons, several=ctx.sets is not None),
        )

    def _gold(self, n: int, inputs: Inputs, ctx: Context) -> list[Query]:
        """Items with a known answer; they come with a prediction like any other."""
        codes, _ = ctx.snapshot.labels("label", ctx.classes, ctx.sets)
        rng = stream(ctx.settings.project.seed, ctx.round, "pick gold")
        positions = inputs.gold[pick_gold(n, codes[inputs.gold], rng)]
        proba = predict(inputs.model, load_learner(inputs.model, ctx), positions, ctx)
        reasons = explain(proba, ctx.classes, [""] * n, several=ctx.sets is not None)
        asked = Asked(positions, None, [], proba, "gold", inputs.model.version, {}, "", reasons)
        return build_queries(asked, ctx)

    def keep(self, outputs: Outputs, ctx: Context) -> Kept:
        learned = outputs.memory.arrays()
        memory = ctx.artifacts.put_arrays(**learned) if learned else None
        return Kept(outputs.asked, keep_images(outputs.queries, ctx), memory, outputs.n_control)

    def write(self, tx: Tx, kept: Kept, ctx: Context) -> StepResult:
        opened = write_round(tx, kept.asked, kept.queries, ctx)
        more = {"memory": kept.memory, "control": kept.n_control}
        return replace(opened, values={**opened.values, **{name: value for name, value in more.items() if value}})


def scored_before(name: str | None, ctx: Context) -> Scored | None:
    if name is None:
        return None
    arrays = ctx.artifacts.get_arrays(name)
    return Scored(arrays["positions"], arrays["proba"])


def remember(name: str | None, ctx: Context) -> Memory:
    """What the last round left; nothing where it is gone, for it only saves time."""
    try:
        return Memory(ctx.artifacts.get_arrays(name)) if name else Memory()
    except SnapshotCorrupt:
        return Memory()
