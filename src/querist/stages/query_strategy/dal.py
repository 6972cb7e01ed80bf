"""Items that a second model tells apart from everything labeled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import SettingError
from querist.core.selection import top_k
from querist.core.types import Embeddings, Pool, Scores, Selection
from querist.models.neighbours import Embed, each_tile
from querist.models.threads import one_thread
from querist.stages.query_strategy.distances import labeled_rows

DIGITS = 6


class Discriminative:
    """Asks for the items that a logistic model finds least like the labeled ones, in `sub_batches`.

    The model tells labeled from unlabeled embeddings, both classes weighing the same; after each sub-batch what was
    asked counts as labeled and it is fitted again. It learns from all labeled items and `sample` random ones of the
    pool. Without any label the first sub-batch is drawn at random.

    Source: Gissin and Shalev-Shwartz, Discriminative Active Learning, 2019.
    Cost: O(n d) for each sub-batch, and as many small fits.
    Memory: 16 n bytes and the embeddings of the sample.
    When: the labeled items miss a part of the space; it does not care what the model finds hard.
    """

    needs = frozenset({"embeddings", "labeled_embeddings"})

    def __init__(self, *, sub_batches: int = 10, sample: int = 10_000) -> None:
        if sub_batches < 1 or sample < 1:
            raise SettingError(f"sub_batches = {sub_batches} and sample = {sample} of strategy dal must be at least 1")
        self.sub_batches, self.sample = sub_batches, sample

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        assert pool.embed is not None  # `needs` says so, ask() checked it
        labeled = labeled_rows(pool, pool.embed(slice(0, 1)).shape[1])
        picked = np.empty(0, dtype=np.intp)
        chances: list[float] = []
        for part in np.array_split(np.arange(batch_size), min(self.sub_batches, batch_size)):
            known = np.concatenate([labeled, pool.embed(picked)])
            left = np.setdiff1d(np.arange(pool.n_items), picked)
            sample = np.sort(rng.choice(left, min(self.sample, len(left)), replace=False))
            unlike = unlike_labeled(pool.embed, pool.n_items, known, pool.embed(sample))
            unlike[picked] = -np.inf
            found = top_k(unlike, len(part), rng)
            chances += unlike[found].tolist()
            picked = np.concatenate([picked, found])
        odds = 1 / (1 + np.exp(-np.array(chances)))
        return Selection(
            picked,
            pool.scores_at(picked),
            thresholds={"chance_unlabeled": float(odds.min())},
            note=f"The {batch_size} of {pool.n_items} items least like the labeled ones, in "
            f"{min(self.sub_batches, batch_size)} sub-batches.",
            reasons=[f"told from the labeled items with {chance:.2f}" for chance in odds],
        )


def unlike_labeled(embed: Embed, n_items: int, labeled: Embeddings, sample: Embeddings) -> Scores:
    """(n,) log-odds that an item is of the unlabeled `sample` and not labeled; zeros where nothing is labeled."""
    values = np.zeros(n_items)
    if not len(labeled):
        return values
    from sklearn.linear_model import LogisticRegression

    X = np.concatenate([labeled, sample])
    y: NDArray[np.intp] = np.repeat([0, 1], [len(labeled), len(sample)])
    with one_thread():
        model = LogisticRegression(class_weight="balanced", max_iter=200).fit(X, y)
    weights, intercept = model.coef_[0].astype(np.float32), float(model.intercept_[0])

    def work(at: slice, rows: Embeddings) -> None:
        values[at] = rows @ weights + intercept

    each_tile(embed, n_items, work)
    return np.round(values, DIGITS)
