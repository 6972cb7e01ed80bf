"""The items that together have the most of the pool within a radius."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import SettingError
from querist.core.selection import top_k
from querist.core.types import Embeddings, Indices, Pool, Selection
from querist.models.clusters import cluster_all
from querist.models.neighbours import Floats, Points, count_within, each_tile, nearest_squared, of, rows_for
from querist.stages.query_strategy.distances import labeled_rows
from querist.stages.query_strategy.farthest import Worth, begin, farthest_first

SAMPLE = 20_000
RADIUS_SAMPLE = 2_000
PURITY = 0.95
EDGE = 1 + 1e-5
"""An item on the edge of a ball is inside, however its distance is rounded."""


class ProbCover:
    """Asks for the item with the most items within `radius` that no labeled or asked item covers yet, again and again.

    Up to `sample` random items of the pool (20,000) are covered and asked; a larger sample is nearer to the exact
    answer and costs its square, the whole pool is exact. `radius` "auto" is the largest at which 95 % of the balls
    around items hold a single one of the clusters that k-means finds, as many as there are classes. Once everything
    is covered, the rest of the batch are the items farthest from all labeled and asked ones.

    Source: Yehuda, Dekel, Hacohen and Weinshall, Active Learning Through a Covering Lens, 2022.
    Cost: O(m^2 d) for m sampled items, plus O(m l d) with l labeled items.
    Memory: m (d + 8) floats and tiles.
    When: the first few labels per class, with good embeddings; hurts once the pool is covered, or the radius is wrong.
    """

    needs = frozenset({"embeddings", "labeled_embeddings"})

    def __init__(self, *, radius: float | Literal["auto"] = "auto", sample: int = SAMPLE) -> None:
        if radius != "auto" and (isinstance(radius, str) or radius <= 0):
            raise SettingError(f'radius = {radius!r} of strategy prob_cover must be "auto" or above 0')
        if sample < 1:
            raise SettingError(f"sample = {sample} of strategy prob_cover must be at least 1")
        self.radius, self.sample = radius, sample

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        assert pool.embed is not None  # `needs` says so, ask() checked it
        count = min(pool.n_items, max(self.sample, 2 * batch_size))
        at = np.sort(rng.choice(pool.n_items, count, replace=False))
        rows = pool.embed(at)
        labeled = labeled_rows(pool, rows.shape[1])
        radius = pure_radius(rows, n_classes_of(pool), rng) if self.radius == "auto" else self.radius
        near = nearest_squared(of(rows), count, labeled)
        cover = greedy_cover(rows, near > radius * radius * EDGE, radius, batch_size, rng)
        chosen, rest = cover.picked, batch_size - len(cover.picked)
        if rest:
            near = nearest_squared(of(rows), count, rows[chosen], known=near)
            chosen = _add_farthest(rows, near, np.concatenate([labeled, rows[chosen]]), chosen, rest, rng)
        return Selection(
            at[chosen],
            pool.scores_at(at[chosen]),
            thresholds={"radius": radius, "covered": cover.covered, "sample": float(count)},
            note=f"{len(cover.picked)} items that have the most uncovered ones within {radius:.3g}; then "
            f"{cover.covered:.0%} of {count} items looked at are covered."
            + (f" The other {rest} are the farthest from what is labeled or asked." if rest else ""),
            reasons=[f"covers {gain} new of {count} items" for gain in cover.gains]
            + ["far from all labeled and asked items"] * rest,
        )


@dataclass(frozen=True)
class Cover:
    """`picked` items, how many each newly covered (`gains`), and the share `covered` at the end."""

    picked: Indices
    gains: list[int]
    covered: float


def greedy_cover(
    rows: Embeddings, uncovered: NDArray[np.bool_], radius: float, k: int, rng: np.random.Generator
) -> Cover:
    """Up to k items, each the one with the most uncovered items within the radius; fewer once all are covered.

    Counts are taken once and brought down by what each pick covers, so no neighbour list is held.
    """
    squared = radius * radius * EDGE
    uncovered = uncovered.copy()
    counts = count_within(of(rows), len(rows), rows[uncovered], squared).astype(np.float64)
    picked: list[int] = []
    gains: list[int] = []
    while len(picked) < k and uncovered.any():
        best = int(top_k(counts, 1, rng)[0])
        new = uncovered & (Points(rows[[best]]).squared(rows)[:, 0] <= squared)
        new[best] = uncovered[best]
        if not new.any():
            counts[best] = 0  # rounding at the edge of a ball: nothing left for it after all
            continue
        picked.append(best)
        gains.append(int(new.sum()))
        uncovered &= ~new
        counts -= count_within(of(rows), len(rows), rows[new], squared)
        counts[picked] = -np.inf
    return Cover(np.array(picked, dtype=np.intp), gains, float(1 - uncovered.mean()))


def pure_radius(rows: Embeddings, n_classes: int, rng: np.random.Generator) -> float:
    """The largest radius at which 95 % of balls hold items of one k-means cluster only, found for 2,000 of the items.

    A ball is pure up to its nearest item of another cluster. Where no other cluster is, one ball holds everything.
    """
    cluster, _ = cluster_all(of(rows), len(rows), min(n_classes, len(rows)), rng)
    asked = rng.choice(len(rows), min(len(rows), RADIUS_SAMPLE), replace=False)
    to = Points(rows)
    others = np.zeros(len(asked), dtype=np.float32)
    widest = np.zeros(len(asked), dtype=np.float32)

    def work(at: slice, part: Embeddings) -> None:
        squared: Floats = to.squared(part)
        widest[at] = squared.max(axis=1)
        squared[cluster[asked[at]][:, None] == cluster] = np.inf
        others[at] = squared.min(axis=1)

    each_tile(of(rows[asked]), len(asked), work, tile_rows=rows_for(len(to)))
    if np.isinf(others).all():
        return float(np.sqrt(widest.max()))
    return float(np.sqrt(np.quantile(others, 1 - PURITY)))


def n_classes_of(pool: Pool) -> int:
    """Classes of the project, or those among the labels; 10 where nothing says."""
    if pool.classes:
        return len(pool.classes)
    if pool.proba is not None:
        return int(pool.proba.shape[1])
    return len(np.unique(pool.labeled_codes)) if pool.labeled_codes is not None and len(pool.labeled_codes) else 10


def _add_farthest(
    rows: Embeddings, near: Floats, points: Embeddings, chosen: Indices, count: int, rng: np.random.Generator
) -> Indices:
    """`chosen` and `count` more, each the farthest from all before."""
    left = np.setdiff1d(np.arange(len(rows)), chosen)
    start, near, points = begin(of(rows[left]), near[left], points, rng)
    worth = Worth(lambda squared, at, number: squared)
    more, _ = farthest_first(of(rows[left]), near, points, count, worth, rng, start=start)
    return np.concatenate([chosen, left[more]])
