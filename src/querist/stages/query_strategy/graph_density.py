"""The densest spots of the pool's neighbour graph, each made less dense by what was asked beside it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import SettingError
from querist.core.hashing import key_of
from querist.core.selection import top_k
from querist.core.types import Embeddings, Indices, Matrix, Pool, Scores, Selection
from querist.models.neighbours import Floats, nearest_few, of
from querist.stages.query_strategy.landmarks import Landmarks, landmarks

SAMPLE = 20_000
DIGITS = 6


class GraphDensity:
    """Asks for the densest node of a nearest-neighbour graph, then takes its density off its neighbours, and again.

    Up to `sample` random items, labeled or not, are the graph (20,000), joined to their `neighbours` nearest by
    exp(-distance^2 / (2 s^2)), with s the root mean square distance of neighbours. Labeled items have taken theirs
    off from the start. The graph is kept between rounds.

    Source: Ebert, Fritz and Schiele, RALF: A Reinforced Active Learning Formulation for Object Class Recognition, 2012.
    Cost: O(m^2 d) for m sampled items in the first round; O(k m) in later ones.
    Memory: m (d + 2 neighbours) floats and tiles.
    When: few labels and clustered data; asks for what is common, so rare classes wait. In the study below random
        on most sets.
    """

    needs = frozenset({"embeddings", "labeled_embeddings"})

    def __init__(self, *, neighbours: int = 10, sample: int = SAMPLE) -> None:
        if neighbours < 1 or sample < 2:
            raise SettingError(
                f"neighbours = {neighbours} of strategy graph_density must be at least 1, and sample = {sample} 2"
            )
        self.neighbours, self.sample = neighbours, sample

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        nodes = landmarks(pool, max(self.sample, 2 * batch_size), least=batch_size)
        which, near = self._neighbours(nodes, pool)
        density, weights = graph(which, near)
        open_ = nodes.at >= 0
        spots, at_pick = densest(density, weights, open_, batch_size, rng)
        picked = nodes.at[spots]
        return Selection(
            picked,
            pool.scores_at(picked),
            thresholds={"density": float(at_pick[-1]), "sample": float(len(nodes.at))},
            note=f"The {batch_size} densest of {len(nodes.at)} items in a graph of nearest neighbours, down to a "
            f"density of {at_pick[-1]:.3g} after what was asked beside them.",
            reasons=[f"density {value:.2f} among its neighbours" for value in at_pick],
        )

    def _neighbours(self, nodes: Landmarks, pool: Pool) -> tuple[NDArray[np.int32], Floats]:
        key = None if nodes.key is None else key_of(nodes.key, self.neighbours)
        kept = None if key is None else pool.memory.recall("graph", key)
        if kept is None:
            which, near = nearest_others(nodes.rows, self.neighbours)
            kept = {"which": which, "near": near}
            if key is not None:
                pool.memory.keep("graph", key, **kept)
        return kept["which"], kept["near"]


def nearest_others(rows: Embeddings, k: int) -> tuple[NDArray[np.int32], Floats]:
    """(m, k) the nearest other rows of each row, and the squared distances; fewer columns where m <= k."""
    which, near = nearest_few(of(rows), len(rows), rows, min(k + 1, len(rows)))
    itself = which == np.arange(len(rows))[:, None]
    # Among more than k twins a row may be missing from its own list; then any one of them goes.
    itself[~itself.any(axis=1), -1] = True
    shape = (len(rows), which.shape[1] - 1)
    return which[~itself].reshape(shape), near[~itself].reshape(shape)


def graph(which: NDArray[np.int32], near: Floats) -> tuple[Scores, Matrix]:
    """(m,) mean weight of each node's edges, and the (m, m) sparse edges, of weight 1, in both directions."""
    from scipy.sparse import csr_matrix

    m, k = which.shape
    width = float(near.mean(dtype=np.float64)) if near.size else 0.0
    closeness = np.exp(-near.astype(np.float64) / (2 * width)) if width > 0 else np.ones(near.shape)
    edges = csr_matrix((closeness.ravel(), which.ravel(), np.arange(0, m * k + 1, k) if k else np.zeros(m + 1)), (m, m))
    edges = edges.maximum(edges.T).tocsr()
    joined = (edges > 0).astype(np.float64)
    n_edges = np.asarray(joined.sum(axis=1)).ravel()
    total = np.asarray(edges.sum(axis=1)).ravel()
    return np.round(np.divide(total, n_edges, out=np.zeros(m), where=n_edges > 0), DIGITS), joined


def densest(
    density: Scores, joined: Matrix, open_: NDArray[np.bool_], k: int, rng: np.random.Generator
) -> tuple[Indices, Scores]:
    """(k,) open nodes, each the densest once those before it, and the closed ones, took theirs off; and how dense."""
    left = density - joined @ np.where(open_, 0.0, density)
    left = np.where(open_, left, -np.inf)
    picked: list[int] = []
    values: list[float] = []
    for _ in range(k):
        best = int(top_k(left, 1, rng)[0])
        picked.append(best)
        values.append(float(left[best]))
        left[joined.indices[joined.indptr[best] : joined.indptr[best + 1]]] -= max(values[-1], 0.0)
        left[best] = -np.inf
    return np.array(picked, dtype=np.intp), np.array(values)
