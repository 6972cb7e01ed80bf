"""BaaL's heuristics on probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def of_proba(name: str) -> Callable[[Any], Callable[[], Any]]:
    def prepare(data: Any) -> Callable[[], Any]:
        from baal.active import heuristics

        made = getattr(heuristics, name)()
        return lambda: made(data.predict(data.pool))[: data.batch_size]

    return prepare


def bald(data: Any) -> Callable[[], Any]:
    """Its layout is (n_items, n_classes, n_samples)."""
    from baal.active.heuristics import BALD

    opinions, made = np.ascontiguousarray(data.opinions().transpose(1, 2, 0)), BALD()
    return lambda: made(opinions)[: data.batch_size]


QUERIES = {
    "entropy": of_proba("Entropy"),
    "margin": of_proba("Margin"),
    "least_confidence": of_proba("Certainty"),
    "bald": bald,
}
