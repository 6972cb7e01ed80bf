"""Items of the pool that nobody was asked about, as the model saw them when it scored the pool last."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from querist.core.errors import SnapshotCorrupt
from querist.core.selection import stream, top_k
from querist.core.types import Indices, Probabilities
from querist.store.artifacts import Artifacts
from querist.store.ledger import Tx
from querist.store.rounds import count_queries, newest_round, taken_positions
from querist.store.steps import find_step

if TYPE_CHECKING:
    from querist.pipeline.project import Project


def least_sure(project: Project, tx: Tx, n: int) -> tuple[Indices, Probabilities]:
    """(at most n,) positions, the least sure first, and (n, n_classes) what the model thought of them.

    None before the pool was scored, or where its scores are gone. The first call of a round reads all of them.
    """
    round = newest_round(tx)
    scored = None if round is None else find_step(tx, round, "uncertainty_scoring")
    if round is None or scored is None:
        return np.empty(0, dtype=np.intp), np.empty((0, 0))
    try:
        positions, proba = _least_sure(
            project.artifacts,
            scored.result["scores"],
            n + count_queries(tx, round),
            project.settings.project.seed,
        )
    except SnapshotCorrupt:
        return np.empty(0, dtype=np.intp), np.empty((0, 0))
    free = np.flatnonzero(~np.isin(positions, taken_positions(tx)))[:n]
    return positions[free], proba[free]


@lru_cache(maxsize=1)
def _least_sure(artifacts: Artifacts, name: str, n: int, seed: int) -> tuple[Indices, Probabilities]:
    arrays = artifacts.get_arrays(name)
    positions, proba = arrays["positions"], arrays["proba"]
    doubt = 1 - proba.max(axis=1, initial=0.0).astype(np.float64)
    first = top_k(doubt, min(n, len(doubt)), stream(seed, 0, "unasked"))
    return positions[first], proba[first]
