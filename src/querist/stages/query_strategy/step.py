"""Query strategy: chooses the batch from the scores that uncertainty scoring left, and opens the round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from querist import plugins
from querist.asking import Asked, budget_left, build_queries, write_round
from querist.core.errors import LedgerError
from querist.core.hashing import key_of
from querist.core.protocols import Strategy
from querist.core.selection import stream
from querist.core.types import Codes, Indices, Pool
from querist.stages.query_strategy.ask import ask
from querist.step import Context, StepResult
from querist.store.annotations import effort
from querist.store.ledger import Tx
from querist.store.models import Model
from querist.store.rounds import Query
from querist.store.steps import find_step
from querist.training import codes_of, current_model, load_learner


@dataclass(frozen=True)
class Inputs:
    scored: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    model: Model
    affordable: int | None
    labeled: tuple[Indices, Codes]

    @property
    def key(self) -> str:
        return key_of(self.scored["scores"], self.model.version, self.affordable)


@dataclass(frozen=True)
class Outputs:
    asked: Asked
    queries: list[Query]


class QueryStrategy:
    """`strategy` as made from the settings, under the name that the record keeps."""

    NAME = "query_strategy"
    VERSION = 1

    def __init__(self, name: str, strategy: Strategy) -> None:
        self.name, self.strategy = name, strategy

    def read(self, tx: Tx, ctx: Context) -> Inputs:
        scored = find_step(tx, ctx.round, "uncertainty_scoring")
        labels = find_step(tx, ctx.round - 1, "human_labeling")
        if scored is None or labels is None:
            raise LedgerError(f"round {ctx.round} has no scores yet; uncertainty scoring comes first")
        known = ctx.artifacts.get_arrays(labels.result["labels"])
        codes = codes_of(labels.result["classes"], ctx.classes)
        return Inputs(
            scored=scored.result,
            arrays=ctx.artifacts.get_arrays(scored.result["scores"]),
            model=current_model(tx),
            affordable=budget_left(effort(tx), ctx.settings.objective),
            labeled=(known["pool_positions"], codes[known["pool_codes"]]),
        )

    def compute(self, inputs: Inputs, ctx: Context) -> Outputs:
        positions, proba, scores = (inputs.arrays[name] for name in ("positions", "proba", "scores"))
        batch = min(ctx.settings.query.batch_size, len(positions))
        if inputs.affordable is not None:
            batch = min(batch, inputs.affordable)
        pool = Pool(
            n_items=len(positions),
            proba=proba,
            scores=scores,
            embed=lambda indices: ctx.features.embed(positions[indices]),
            labeled_embeddings=None,
            budget_left=inputs.affordable,
            **self._model(inputs, positions, ctx),
        )
        chosen = ask(self.strategy, pool, batch, stream(ctx.settings.project.seed, ctx.round, self.NAME))
        picked = proba[chosen.indices]
        parts = {name: plugins.find("measures", name)(picked) for name in inputs.scored["measures"]}
        asked = Asked(
            positions=positions[chosen.indices],
            scores=[float(s) for s in scores[chosen.indices]],
            parts=[{name: float(values[i]) for name, values in parts.items()} for i in range(batch)],
            proba=picked,
            strategy=self.name,
            model_version=inputs.model.version,
            thresholds=chosen.thresholds,
            note=chosen.note,
        )
        return Outputs(asked, build_queries(asked, ctx))

    def write(self, tx: Tx, outputs: Outputs, ctx: Context) -> StepResult:
        return write_round(tx, outputs.asked, outputs.queries, ctx)

    def _model(self, inputs: Inputs, positions: Indices, ctx: Context) -> dict[str, Any]:
        """What strategies of other libraries ask for: the fitted classifier and the features themselves."""
        if "model" not in self.strategy.needs:
            return {}
        labeled, codes = inputs.labeled
        return {
            "classifier": load_learner(inputs.model, ctx),
            "X": lambda: ctx.features.rows(positions),
            "labeled": (ctx.features.rows(labeled), codes),
        }
