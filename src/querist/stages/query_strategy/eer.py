"""What the model would still get wrong once an item is labeled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from querist.core.errors import SettingError
from querist.core.selection import top_k
from querist.core.types import Codes, Matrix, Pool, Probabilities, Scores, Selection

Train = Callable[[Matrix, Codes], Any]
"""Any: a scikit-learn classifier, fitted."""
DECIMALS = 12
"""Losses that differ by less are ties, for the generator to decide."""


class ExpectedErrorReduction:
    """Asks for the items after whose labeling the model is expected to be surest of the rest of the pool.

    The `candidates` with the highest scores (at least the batch) are tried: with each of its possible labels the model
    is trained anew and asked about `sample` random items of the pool. `loss` is "log" (mean entropy, in nats) or
    "zero_one" (mean of 1 - P(first)). A batch is the best candidates one by one.

    Source: Roy and McCallum, 2001.
    Cost: candidates x C fits of the model, each with a prediction of `sample` items; grows with the batch, not with n.
    Memory: 8 n bytes, and the features of the labeled items, the candidates and the sample.
    When: very few labels, small batches and a model that trains in milliseconds; with 50 candidates and 10 classes it
        trains 500 models a round. A batch may hold near duplicates, and a badly calibrated model fools it.
    """

    needs = frozenset({"scores", "proba", "model", "train"})

    def __init__(self, *, candidates: int = 50, sample: int = 500, loss: Literal["log", "zero_one"] = "log") -> None:
        for name, value in (("candidates", candidates), ("sample", sample)):
            if value < 1:
                raise SettingError(f"{name} = {value} of strategy eer must be at least 1")
        if loss not in LOSSES:
            raise SettingError(f"loss = {loss!r} of strategy eer must be one of {', '.join(LOSSES)}")
        self.candidates = candidates
        self.sample = sample
        self.loss = loss

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        assert pool.scores is not None  # `needs` says so, ask() checked it
        assert pool.proba is not None
        assert pool.X is not None
        assert pool.train is not None
        assert pool.labeled is not None
        near = np.sort(top_k(pool.scores, min(max(self.candidates, batch_size), pool.n_items), rng))
        seen = np.sort(top_k(np.zeros(pool.n_items), min(self.sample, pool.n_items), rng))
        X = pool.X()
        losses = expected_loss(
            pool.train, pool.labeled, _rows(X, near), pool.proba[near], _rows(X, seen), LOSSES[self.loss]
        )
        best = top_k(-losses, batch_size, rng)
        return Selection(
            near[best],
            -losses[best],
            thresholds={"candidates": float(len(near)), "sample": float(len(seen)), "loss": float(losses[best[0]])},
            note=f"Of {len(near)} candidates those whose labels leave the least expected {self.loss} loss on "
            f"{len(seen)} items of the pool: {losses[best[0]]:.4g} to {losses[best[-1]]:.4g}.",
            reasons=[f"once labeled, leaves an expected {self.loss} loss of {loss:.4g}" for loss in losses[best]],
        )


def expected_loss(
    train: Train,
    labeled: tuple[Matrix, Codes],
    candidates: Matrix,
    proba: Probabilities,
    sample: Matrix,
    loss: Callable[[Probabilities], float],
) -> Scores:
    """(n_candidates,) sum_c P(c) loss(the model trained with this candidate as c, on the sample).

    `proba` (n_candidates, n_classes) is today's model's; a class with probability 0 is not tried.
    """
    X, y = labeled
    losses = np.zeros(len(proba))
    if proba.shape[1] == 1:
        return losses
    for i, chances in enumerate(proba):
        grown = _below(X, _rows(candidates, np.array([i])))
        for code in np.flatnonzero(chances > 0):
            model = train(grown, np.append(y, code))
            losses[i] += float(chances[code]) * loss(np.asarray(model.predict_proba(sample), dtype=np.float64))
    return np.round(losses, DECIMALS)


def log_loss(proba: Probabilities) -> float:
    """Mean entropy of the rows, in nats: the log loss that the model expects of itself."""
    logs = np.log(proba, out=np.zeros_like(proba), where=proba > 0)
    return float(-(proba * logs).sum(axis=1).mean())


def zero_one_loss(proba: Probabilities) -> float:
    """Mean of 1 - P(first): the share of errors that the model expects of itself."""
    return float(1 - proba.max(axis=1).mean())


LOSSES: dict[str, Callable[[Probabilities], float]] = {"log": log_loss, "zero_one": zero_one_loss}


def _rows(X: Matrix, at: np.ndarray) -> Matrix:
    return X[at] if hasattr(X, "tocsr") else np.asarray(X)[at]


def _below(X: Matrix, row: Matrix) -> Matrix:
    if hasattr(X, "tocsr"):
        from scipy.sparse import vstack

        return vstack([X, row], format="csr")
    return np.concatenate([np.asarray(X), row])
