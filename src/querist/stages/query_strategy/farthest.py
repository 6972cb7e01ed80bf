"""The lazy greedy behind k-center and ranked batches, where an item's worth only falls while others are picked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.selection import top_k
from querist.core.types import Embeddings, Indices, Scores
from querist.models.neighbours import Embed, Floats, mean_row, nearest_point, nearest_squared, of
from querist.stages.query_strategy.distances import Late

CACHE = 1024
"""Items among which the greedy runs until what it picked might matter to the others."""
GRAINS = 1 << 16


@dataclass(frozen=True)
class Worth:
    """`of(squared, at, number)` values items at places `at` with squared distances (m,), for the pick of that number;
    never less at a greater distance, and linear in the number.

    Values that differ by less than about `grain` count as equal; 0 stands for `grain_of` the largest distance.
    `left_out` items of the highest worth are passed over.
    """

    of: Callable[[Scores, Indices | slice, int], Scores]
    grain: float = 0.0
    left_out: int = 0

    def at(self, squared: Scores) -> Worth:
        return self if self.grain else replace(self, grain=grain_of(float(squared.max())))

    def levels(self, squared: Scores, at: Indices | slice, number: int) -> Scores:
        levels: Scores = np.rint(self.of(squared, at, number) / self.grain)
        return levels


def grain_of(largest: float) -> float:
    """A 65,536th or so of the largest value: a power of two, so that rounding in `largest` moves no level."""
    return float(2.0 ** np.floor(np.log2(largest)) / GRAINS) if np.isfinite(largest) and largest > 0 else 1.0


def farthest_first(
    embed: Embed,
    near: Floats,
    points: Embeddings,
    k: int,
    worth: Worth,
    rng: np.random.Generator,
    *,
    start: Sequence[int] = (),
    cache: int = CACHE,
    late: Late | None = None,
) -> tuple[Indices, NDArray[np.float64]]:
    """The k items of the highest worth, picked one at a time, and the squared distance (k,) of each when picked.

    `near` (n,) are the squared distances to the nearest of the `points` (m, n_dims), those labeled or picked at the
    `start`; each pick brings them down for the others.
    The same picks as with one pass over the pool for each, equal ones as the generator says: while the best of the
    cached items is worth more than any other was when the cache was filled, it is the best of all. Then all picks
    reach the pool in one matrix product. Distances that are `late` may be too high: the cached items get theirs, and
    only if these do not tell all picks, so do the others.
    """
    n_items, given = len(near), worth
    worth = given.at(near)
    prior = rng.permutation(n_items)
    picked = list(start)
    distances = [np.inf] * len(picked)
    horizon = k
    while (number := len(picked)) < k:
        last = min(number + horizon, k) - 1
        level = np.maximum(worth.levels(near, slice(None), number), worth.levels(near, slice(None), last))
        level[picked] = -np.inf
        inside = _highest(level, prior, min(cache + worth.left_out, n_items - number), rng)
        bound = (-np.inf, -1.0) if horizon == 1 and late is None else _best_outside(level, prior, inside)
        rows = embed(inside)
        squared = _nearest_exactly(rows, np.concatenate([points, _rows(embed, picked[len(start) :])]))
        graded = given.at(squared)
        if late is not None:
            late.sharpen(inside, squared)
        found = _greedy(rows, squared, inside, prior[inside], bound, worth, range(number, last + 1))
        if late is not None and (graded != worth or number + len(found) < k):
            near, late = late.renew(), None
            worth = given.at(near)
            continue
        picked += [int(inside[i]) for i, _ in found]
        distances += [at for _, at in found]
        horizon = k if found else 1
        if found and len(picked) < k:
            near = nearest_squared(embed, n_items, rows[[i for i, _ in found]], known=near)
    return np.array(picked, dtype=np.intp), np.array(distances)


def begin(
    embed: Embed, near: Floats, labeled: Embeddings, rng: np.random.Generator
) -> tuple[list[int], Floats, Embeddings]:
    """(start, near, points) of `farthest_first`; where nothing is labeled, it starts with the item in the middle."""
    if len(labeled):
        return [], near, labeled
    first = most_central(embed, len(near), rng)
    points = _rows(embed, [first])
    return [first], nearest_squared(embed, len(near), points), points


def most_central(embed: Embed, n_items: int, rng: np.random.Generator) -> int:
    """The item nearest to the mean of all, which has the least mean squared distance to the others."""
    middle = mean_row(embed, n_items).astype(np.float32)
    return int(top_k(-nearest_squared(embed, n_items, middle[None]), 1, rng)[0])


def _greedy(
    rows: Embeddings,
    squared: NDArray[np.float64],
    inside: Indices,
    prior: NDArray[Any],
    bound: tuple[float, float],
    worth: Worth,
    numbers: range,
) -> list[tuple[int, float]]:
    """(place among the rows, squared distance) of each pick, until one might be worth less than `bound`."""
    found: list[tuple[int, float]] = []
    left = len(inside)
    middle = rows.mean(axis=0, dtype=np.float64)
    moved = rows - middle
    lengths = np.einsum("ij,ij->i", moved, moved)
    gone = np.zeros(len(inside), dtype=bool)
    for number in numbers:
        if left == 0 or (left <= worth.left_out and bound[1] >= 0):
            break
        level = worth.levels(squared, inside, number)
        level[gone] = -np.inf
        rank = min(worth.left_out, left - 1)
        cut = level.max() if rank == 0 else np.partition(level, -1 - rank)[-1 - rank]
        ties = np.flatnonzero(level == cut)
        best = int(ties[prior[ties].argmax()])
        if (cut, prior[best]) < bound:
            break
        found.append((best, float(squared[best])))
        gone[best] = True
        left -= 1
        np.minimum(squared, np.maximum(lengths + lengths[best] - 2 * (moved @ moved[best]), 0), out=squared)
    return found


def _highest(level: Scores, prior: NDArray[Any], count: int, rng: np.random.Generator) -> Indices:
    """The `count` highest levels in the pool's order, of equal ones those with the higher prior."""
    cut = np.partition(level, -count)[-count]
    above, ties = np.flatnonzero(level > cut), np.flatnonzero(level == cut)
    chosen = ties[top_k(prior[ties], count - len(above), rng)]
    return np.sort(np.concatenate([above, chosen]))


def _best_outside(level: Scores, prior: NDArray[Any], inside: Indices) -> tuple[float, float]:
    rest = level.copy()
    rest[inside] = -np.inf
    best = float(rest.max())
    return (best, float(prior[rest == best].max())) if np.isfinite(best) else (-np.inf, -1.0)


def _nearest_exactly(rows: Embeddings, points: Embeddings) -> NDArray[np.float64]:
    """(r,) squared distance to the nearest point, in float64, so that rounding decides no pick."""
    which, _ = nearest_point(of(rows), len(rows), points)
    difference = rows.astype(np.float64) - points[which]
    squared: NDArray[np.float64] = np.einsum("ij,ij->i", difference, difference)
    return squared


def _rows(embed: Embed, picked: list[int]) -> Embeddings:
    return embed(np.array(picked, dtype=np.intp))
