"""Several opinions from one kind of learner: query by bagging."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from querist.core.types import Codes, Indices, Matrix, Probabilities
from querist.models.learner import ScikitLearner

Blocks = Callable[[], Iterable[tuple[slice, Matrix]]]


def committee_proba(
    fresh: Callable[[], ScikitLearner],
    X: Matrix,
    y: Codes,
    blocks: Blocks,
    n_items: int,
    *,
    n_members: int,
    rng: np.random.Generator,
) -> Probabilities:
    """(n_members, n_items, n_classes) float32: each member is trained on its own draw of the labeled rows X (n, ...).

    Draws are with replacement within each class, so that no member lacks a class. Abe and Mamitsuka, 1998.
    """
    members = [fresh().fit(X[rows], y[rows]) for rows in (draw(y, rng) for _ in range(n_members))]
    proba = np.empty((n_members, n_items, members[0].n_classes), dtype=np.float32)
    for span, rows in blocks():
        for number, member in enumerate(members):
            proba[number, span] = member.predict_proba(rows)
    return proba


def draw(y: Codes, rng: np.random.Generator) -> Indices:
    """(n,) rows drawn with replacement, as many of each class as there are; sorted."""
    of_class = [np.flatnonzero(y == code) for code in np.unique(y)]
    return np.sort(np.concatenate([rng.choice(rows, len(rows)) for rows in of_class]))
