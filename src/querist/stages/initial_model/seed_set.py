"""The first items to label, chosen before there is a model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from querist.config.loop import SeedSettings
from querist.core.errors import PoolExhausted, SettingError, UnknownName
from querist.core.selection import place_in_group, top_k
from querist.core.types import Codes, Embeddings, Indices, Scores, Selection
from querist.models.clusters import cluster_items

ADVICE = (0.05, 0.10)
SAMPLE = 50_000
"""Items that a typical draw looks at; more would cost time and change little."""
NEIGHBOURS = 20
"""Neighbours behind typicality, as in TypiClust (Hacohen et al., 2022)."""
CLUSTER_CORE = 1_000
"""Items nearest to a centre among which the typical ones are sought, so that one huge cluster fits in memory."""

Embed = Callable[[Indices], Embeddings]


def seed_size(settings: SeedSettings, n_pool: int) -> tuple[int, str | None]:
    """How many items the seed set holds, and a warning when that is not the advised 5 to 10 % of the pool."""
    size = settings.size if settings.size is not None else max(1, round(settings.share * n_pool))
    size = min(size, n_pool)
    share = size / n_pool if n_pool else 0.0
    low, high = ADVICE
    if n_pool == 0 or low <= share <= high or size in (round(low * n_pool), round(high * n_pool)):
        return size, None
    return size, (
        f"the seed set of {size} items is {share:.2%} of the pool of {n_pool}; {low:.0%} to {high:.0%} is the usual "
        f"advice ({round(low * n_pool)} to {round(high * n_pool)} items)"
    )


def draw_seed(
    draw: str, size: int, *, n_items: int, labels: Codes | None, embed: Embed | None, rng: np.random.Generator
) -> Selection:
    """`size` of `n_items`, best first, by `draw`: balanced, stratified, random, typical or auto.

    auto is balanced where labels exist and typical elsewhere. Where a draw by class finds fewer labels than `size`, it
    takes them all and fills up with typical items. Raises PoolExhausted when size > n_items, SettingError when a draw
    by class has no labels or a typical one no embeddings.
    """
    if draw not in ("auto", "balanced", "stratified", "random", "typical"):
        raise UnknownName("seed_set.draw", draw, ["auto", "balanced", "stratified", "random", "typical"])
    if size > n_items:
        raise PoolExhausted(f"a seed set of {size} was asked for but the pool holds {n_items}; lower seed_set.size")
    known = np.empty(0, dtype=np.intp) if labels is None else np.flatnonzero(labels >= 0)
    if size == 0:
        return _selection(np.empty(0, dtype=np.intp), "No item was needed for the seed set.")
    if draw == "auto":
        draw = "balanced" if len(known) else "typical"
    if draw == "random":
        return _selection(top_k(np.zeros(n_items), size, rng), f"{size} items drawn at random.")
    if draw == "typical":
        return _typical(np.arange(n_items), size, embed, rng)
    if labels is None or not len(known):
        raise SettingError(f'seed_set.draw = "{draw}" needs labels and there are none; use "typical" or "random"')
    return _by_class(draw, size, labels, known, embed, rng)


def balanced_shares(counts: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """(n_classes,) equal shares of `size`; a class that has too few gives all it has, the others share the rest."""
    shares = np.zeros_like(counts)
    while (left := size - int(shares.sum())) > 0:
        open_ = np.flatnonzero(shares < counts)
        each = left // len(open_)
        if each == 0:
            # Fewer left than classes: the larger classes can spare one most easily.
            shares[open_[np.argsort(-counts[open_], kind="stable")[:left]]] += 1
        else:
            shares[open_] = np.minimum(shares[open_] + each, counts[open_])
    return shares


def stratified_shares(counts: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """(n_classes,) shares of `size` in proportion to the counts, by largest remainder (Hamilton)."""
    exact = size * counts / counts.sum()
    shares: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    left = size - int(shares.sum())
    shares[np.argsort(-(exact - shares), kind="stable")[:left]] += 1
    return shares


def typicality(embeddings: Embeddings) -> Scores:
    """(n,) minus the mean distance to the nearest neighbours, at most NEIGHBOURS of them. O(n^2)."""
    from scipy.spatial.distance import cdist

    nearest = min(NEIGHBOURS, len(embeddings) - 1)
    if nearest < 1:
        return np.zeros(len(embeddings))
    # The item itself is among the nearest, at distance 0.
    distances = np.partition(cdist(embeddings, embeddings), nearest, axis=1)[:, : nearest + 1]
    scores: Scores = -distances.sum(axis=1) / nearest
    return scores


def _by_class(
    draw: str, size: int, labels: Codes, known: Indices, embed: Embed | None, rng: np.random.Generator
) -> Selection:
    counts = np.bincount(labels[known])
    by_class = min(size, len(known))
    shares = (balanced_shares if draw == "balanced" else stratified_shares)(counts, by_class)
    place = place_in_group(labels[known], rng=rng)
    chosen = known[place < shares[labels[known]]]
    chosen = chosen[np.argsort(place[place < shares[labels[known]]], kind="stable")]
    note = f"{by_class} items drawn by class ({draw}), {int(shares[shares > 0].min())} to {int(shares.max())} of each."
    if by_class == size:
        return _selection(chosen, note)
    rest = _typical(np.flatnonzero(labels < 0), size - by_class, embed, rng)
    return Selection(
        np.concatenate([chosen, rest.indices]),
        np.concatenate([np.zeros(len(chosen)), rest.scores]),
        {},
        f"{note} {rest.note}",
    )


def _typical(positions: Indices, size: int, embed: Embed | None, rng: np.random.Generator) -> Selection:
    """Clusters, and in turn the most typical item of each, large clusters first. Hacohen et al., 2022."""
    if embed is None:
        raise SettingError('seed_set.draw = "typical" needs embeddings; choose a learner that embeds, or draw "random"')
    sampled = np.sort(rng.permutation(len(positions))[: max(SAMPLE, size)])
    embeddings = embed(positions[sampled])
    n_clusters = min(size, len(sampled))
    cluster, distance = cluster_items(embeddings, n_clusters, rng)
    scores = np.full(len(sampled), -np.inf)
    core = place_in_group(cluster, distance, rng=rng) < CLUSTER_CORE
    members = np.flatnonzero(core)[np.argsort(cluster[core], kind="stable")]
    for group in np.split(members, np.flatnonzero(np.diff(cluster[members])) + 1):
        scores[group] = typicality(embeddings[group])
    turn = place_in_group(cluster, -scores, rng=rng)
    sizes = np.bincount(cluster)[cluster]
    order = place_in_group(np.zeros(len(sampled)), turn, -sizes, rng=rng)
    chosen = top_k(-order.astype(np.float64), size, rng)
    note = f"The most typical items of {len(np.unique(cluster))} clusters of {len(sampled)} items; no label was needed."
    found = np.maximum(scores[chosen], np.finfo(np.float32).min)
    return Selection(positions[sampled[chosen]], found, note=note)


def _selection(indices: Indices, note: str) -> Selection:
    return Selection(indices, np.zeros(len(indices)), note=note)
