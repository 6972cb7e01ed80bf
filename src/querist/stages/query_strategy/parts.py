"""Strategies as parts of another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from querist.core.protocols import Strategy
from querist.core.types import Indices, Pool, Selection
from querist.plugins import find
from querist.stages.query_strategy.ask import ask, make, spares_of

OF_THE_POOL = {"the pool's own scores": 1.0}


@dataclass(frozen=True)
class Part:
    """A strategy by name; with a `measure` of its own it reads that instead of the pool's scores."""

    name: str
    strategy: Strategy
    measure: str | None

    @property
    def needs(self) -> frozenset[str]:
        return self.strategy.needs if self.measure is None else (self.strategy.needs - {"scores"}) | {"proba"}

    @property
    def spares(self) -> frozenset[str]:
        return spares_of(self.strategy)

    def view(self, pool: Pool) -> Pool:
        """The pool with the scores that this part ranks by."""
        if self.measure is None:
            return pool
        return replace(pool, scores=find("measures", self.measure)(pool.proba))

    def ask(self, pool: Pool, batch_size: int, rng: np.random.Generator) -> Selection:
        return ask(self.strategy, self.view(pool), batch_size, rng)

    def bytes_needed(self, n_items: int, n_dims: int, n_classes: int, batch_size: int) -> int:
        tell = getattr(self.strategy, "bytes_needed", None)
        return 0 if tell is None else int(tell(n_items, n_dims, n_classes, batch_size))


def part(spec: str, params: Mapping[str, Any]) -> Part:
    """The part of a spec as in `query.strategy`: "core_set", "margin", "kmeans:entropy", "package.module:name"."""
    strategy, measures = make(spec, params, OF_THE_POOL)
    return Part(spec, strategy, None if measures == OF_THE_POOL else next(iter(measures)))


def only(pool: Pool, kept: Indices) -> Pool:
    """The pool of these items alone; items 0..len(kept)-1 of it are the items `kept`."""
    embed, samples, X = pool.embed, pool.samples, pool.X
    given: dict[str, Any] = {
        name: values[kept]
        for name in ("proba", "previous_proba", "scores", "costs", "ids")
        if (values := getattr(pool, name)) is not None
    }
    if embed is not None:
        given["embed"] = lambda at: embed(kept[at])
    if samples is not None:
        given["samples"] = lambda: samples()[:, kept]
    if X is not None:
        given["X"] = lambda: X()[kept]
    return replace(pool, n_items=len(kept), **given)
