"""Labels that were not drawn at random, brought back to the pool's distribution by weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.core.types import Indices

Floats = NDArray[np.float64]


def post_stratify(stratum: NDArray[np.intp], pool: NDArray[np.intp], at_random: NDArray[np.bool_]) -> Floats:
    """(n_labeled,) weights that give each stratum of labeled items its share of the pool.

    `stratum` (n_labeled,) and `pool` (n_pool,) number the strata. Items drawn at random count 1 each, the others share
    what their stratum has left to it; all is in units of a labeled item. Holt and Smith, 1979.
    """
    n = int(max(stratum.max(initial=0), pool.max(initial=0))) + 1
    due = len(stratum) * np.bincount(pool, minlength=n) / len(pool)
    drawn, chosen = (np.bincount(stratum[mask], minlength=n) for mask in (at_random, ~at_random))
    each = np.divide(np.maximum(due - drawn, 0.0), chosen, out=np.zeros(n), where=chosen > 0)
    weights: Floats = np.where(at_random, 1.0, each[stratum])
    return weights


def share_covered(stratum: NDArray[np.intp], pool: NDArray[np.intp]) -> float:
    """Share of the pool in strata that hold a labeled item."""
    return float(np.isin(pool, stratum).mean())


def effective_number(weights: Floats) -> float:
    """How many equally weighted items tell as much. Kish, 1965."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def draw(weights: Floats, size: int, rng: np.random.Generator) -> Indices:
    """(size,) items one after the other, without replacement, each by its weight among those left."""
    return rng.choice(len(weights), size, replace=False, p=weights / weights.sum())
