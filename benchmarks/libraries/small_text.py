"""small-text's strategies, for 1.4.1 and 2.0.0.dev4 alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class Fixed:
    def __init__(self, data: Any) -> None:
        self.data = data

    def predict_proba(self, dataset: Any) -> Any:
        return self.data.predict(dataset.x)


def query(strategy: str, *, embeddings: bool, classes: bool = False) -> Callable[[Any], Callable[[], Any]]:
    """`embeddings` are wanted in the order unlabeled, labeled, which is that of the rows here."""

    def prepare(data: Any) -> Callable[[], Any]:
        if classes:
            from small_text.integrations.pytorch.query_strategies import strategies as found
        else:
            import small_text as found

        from small_text import SklearnDataset

        made = getattr(found, strategy)(*([data.n_classes] if classes else []))
        n_pool, n_all = len(data.pool), len(data.everything)
        y = np.r_[np.zeros(n_pool, dtype=np.int64), data.y]
        dataset = SklearnDataset(data.everything, y, target_labels=np.arange(data.n_classes))
        asked = {"embeddings": data.everything} if embeddings else {}
        unlabeled, labeled = np.arange(n_pool), np.arange(n_pool, n_all)
        return lambda: made.query(Fixed(data), dataset, unlabeled, labeled, data.y, n=data.batch_size, **asked)

    return prepare


QUERIES = {
    "entropy": query("PredictionEntropy", embeddings=False),
    "margin": query("BreakingTies", embeddings=False),
    "least_confidence": query("LeastConfidence", embeddings=False),
    "kmeans_pool": query("EmbeddingKMeans", embeddings=True),
    "core_set:lightweight": query("LightweightCoreset", embeddings=True),
    "badge": query("BADGE", embeddings=True, classes=True),
}
