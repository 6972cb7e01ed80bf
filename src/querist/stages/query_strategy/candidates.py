"""How many of the pool a diverse strategy looks at: from the budget, the batch and the scores, never a fixed cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from querist.core.checks import blocks
from querist.core.selection import top_k
from querist.core.types import Indices, Pool

CANDIDATES_PER_QUERY = 20
"""Keeps clustering cheap on any pool; 10 to 50 are usual (Zhdanov, Diverse mini-batch Active Learning, 2019)."""


@dataclass(frozen=True)
class Candidates:
    """`indices` (count,) in the pool's order, the `thresholds` behind them and the sentence that says why."""

    indices: Indices
    thresholds: dict[str, float]
    note: str


def effective_number(scores: np.ndarray) -> float:
    """(sum s)^2 / sum s^2: how many items share the uncertainty, from 1 (one item has it all) to n (all the same).

    Scores below 0 are moved up so that the least one is 0. Kish, 1965.
    """
    low = min(float(scores.min()), 0.0)
    total = squares = 0.0
    for block in blocks(len(scores)):
        part = scores[block].astype(np.float64) - low
        total += float(part.sum())
        squares += float(part @ part)
    return total * total / squares if squares > 0 else float(len(scores))


def choose_candidates(pool: Pool, batch_size: int, rng: np.random.Generator, *, count: int | None = None) -> Candidates:
    """The highest scores of the pool, as many as the round should choose among.

    As many as the budget can still ask: those are the items that would be asked in any case, so the first rounds take
    a varied part of them and the last rounds nearly the top. Never more than share the uncertainty (effective number)
    nor than clustering can afford, never fewer than two for each query. `count` overrides all of this.
    """
    assert pool.scores is not None  # `needs` of the strategy says so, ask() checked it
    effective = effective_number(pool.scores)
    affordable = CANDIDATES_PER_QUERY * batch_size
    limits = {"uncertain items": effective, "clustering cost": float(affordable)}
    if pool.budget_left is not None:
        limits["budget left"] = float(pool.budget_left)
    reason = min(limits, key=lambda name: limits[name])
    wanted = int(limits[reason])
    if wanted < 2 * batch_size:
        wanted, reason = 2 * batch_size, "two for each query"
    if count is not None:
        wanted, reason = max(count, batch_size), "setting"
    if wanted > pool.n_items:
        wanted, reason = pool.n_items, "whole pool"
    indices = np.sort(top_k(pool.scores, wanted, rng))
    threshold = float(pool.scores[indices].min())
    thresholds = {"score": threshold, "candidates": float(wanted), "effective_number": effective}
    if pool.budget_left is not None:
        thresholds["budget_left"] = float(pool.budget_left)
    note = f"{wanted} candidates of {pool.n_items} with a score of at least {threshold:.4g} (set by: {reason})"
    return Candidates(indices, thresholds, note)
