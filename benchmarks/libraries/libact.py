"""libact's entropy: its scores once and the 300 highest, since it answers one item a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def entropy(data: Any) -> Callable[[], Any]:
    from libact.base.dataset import Dataset
    from libact.base.interfaces import ProbabilisticModel
    from libact.query_strategies import UncertaintySampling
    from synthetic import Head

    class Fixed(Head, ProbabilisticModel):
        def train(self, dataset: Any) -> None:
            pass

        def predict_real(self, feature: Any) -> Any:
            return self.predict_proba(feature)

        def score(self, testing_dataset: Any) -> float:
            return 0.0

    dataset = Dataset(data.everything, [*[None] * len(data.pool), *data.y.tolist()])
    strategy = UncertaintySampling(dataset, model=Fixed(data), method="entropy")

    def call() -> Any:
        ids, scores = map(np.array, zip(*strategy._get_scores(), strict=True))
        best = np.argpartition(-scores, data.batch_size)[: data.batch_size]
        return ids[best]

    return call


QUERIES = {"entropy": entropy}
