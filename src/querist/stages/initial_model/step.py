"""Initial model: chooses the seed set (round 0) and trains the first model on its labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from querist.asking import Asked, build_queries, candidates, items_left, keep_images, write_round
from querist.core.hashing import key_of
from querist.core.label_sets import rarest
from querist.core.selection import stream
from querist.core.types import Codes, Indices
from querist.snapshots.snapshot import POOL
from querist.stages.initial_model.seed_set import draw_seed, seed_size
from querist.step import Context, StepResult
from querist.store.annotations import effort
from querist.store.ledger import Tx
from querist.store.models import Model
from querist.store.rounds import Query
from querist.training import Plan, Training


@dataclass(frozen=True)
class SeedInputs:
    open_positions: Indices
    n_known: int
    affordable: int | None
    settings: str

    @property
    def key(self) -> str:
        return key_of(self.open_positions, self.n_known, self.affordable, self.settings)


@dataclass(frozen=True)
class SeedOutputs:
    asked: Asked
    queries: list[Query]
    warnings: list[str]


class SeedSet:
    """Opens round 0. Labels that came with the data count first; only what is missing to the size is asked."""

    NAME = "seed_set"
    VERSION = 1
    uses_model = False

    def read(self, tx: Tx, ctx: Context) -> SeedInputs:
        open_positions = candidates(tx, ctx)
        n_known = usable_pool(ctx) - len(open_positions)
        return SeedInputs(
            open_positions,
            n_known,
            items_left(effort(tx), ctx.settings, oracle=ctx.oracle is not None),
            ctx.settings_key,
        )

    def compute(self, inputs: SeedInputs, ctx: Context) -> SeedOutputs:
        settings = ctx.settings.seed_set
        size, warning = seed_size(settings, usable_pool(ctx))
        missing = max(size - inputs.n_known, 0) if has_two_classes(ctx) else size
        missing = min(missing, len(inputs.open_positions))
        if inputs.affordable is not None:
            missing = min(missing, inputs.affordable)
        positions = inputs.open_positions
        chosen = draw_seed(
            settings.draw,
            missing,
            n_items=len(positions),
            labels=self._labels(positions, ctx),
            embed=lambda indices: ctx.features.embed(positions[indices]),
            rng=stream(ctx.settings.project.seed, ctx.round, self.NAME),
        )
        note = chosen.note + (f" {inputs.n_known} labels came with the data." if inputs.n_known else "")
        asked = Asked(
            positions[chosen.indices], None, [], None, f"seed_set:{settings.draw}", None, chosen.thresholds, note
        )
        return SeedOutputs(asked, build_queries(asked, ctx), [warning] if warning else [])

    def keep(self, outputs: SeedOutputs, ctx: Context) -> SeedOutputs:
        return replace(outputs, queries=keep_images(outputs.queries, ctx))

    def write(self, tx: Tx, kept: SeedOutputs, ctx: Context) -> StepResult:
        opened = write_round(tx, kept.asked, kept.queries, ctx)
        return replace(opened, values={**opened.values, "warnings": kept.warnings} if kept.warnings else opened.values)

    def _labels(self, positions: Indices, ctx: Context) -> Codes | None:
        """Classes to balance by: only a simulation knows them before asking. Of several the rarest counts."""
        if ctx.oracle is None:
            return None
        codes, names = ctx.snapshot.labels(ctx.oracle, ctx.classes, ctx.sets)
        if ctx.sets is None:
            return codes[positions]
        known = np.flatnonzero(codes[positions] >= 0)
        found = np.full(len(positions), -1, dtype=np.int64)
        found[known] = rarest(ctx.sets.members(names, ctx.classes)[codes[positions[known]]])
        return found


class InitialModel(Training):
    """The first model, trained in full on the seed set."""

    NAME = "initial_model"

    def plan(
        self, *, previous: Model | None, new_labels: int, validation_losses: Sequence[float], ctx: Context
    ) -> Plan:
        return Plan("full", "first model")


def usable_pool(ctx: Context) -> int:
    return int((ctx.snapshot.primary() & (ctx.snapshot.splits() == POOL)).sum())


def has_two_classes(ctx: Context) -> bool:
    """Whether the labels that came with the pool can already train a model."""
    if ctx.settings.data.label is None or ctx.oracle == "label":
        return False
    codes, _ = ctx.snapshot.labels("label", ctx.classes, ctx.sets)
    pool = ctx.snapshot.primary() & (ctx.snapshot.splits() == POOL)
    return len(np.unique(codes[pool & (codes >= 0)])) >= 2
