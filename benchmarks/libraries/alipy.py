"""ALiPy's strategies, with the name back that Python 3.10 took from `collections`."""

from __future__ import annotations

import collections
import collections.abc
from collections.abc import Callable
from typing import Any

import numpy as np


def query(strategy: str, *, model: bool, trained: bool = False, **settings: Any) -> Callable[[Any], Callable[[], Any]]:
    """`trained` strategies take the indices of all items as `train_idx`; they hold state, so each call makes one."""

    def prepare(data: Any) -> Callable[[], Any]:
        collections.Iterable = collections.abc.Iterable
        from alipy.query_strategy import query_labels
        from synthetic import Head

        make = getattr(query_labels, strategy)
        n_pool, n_all = len(data.pool), len(data.everything)
        y = np.r_[np.zeros(n_pool, dtype=np.int64), data.y]
        unlabeled, labeled = np.arange(n_pool), np.arange(n_pool, n_all)
        given = {"train_idx": np.arange(n_all)} if trained else {}
        asked = {"model": Head(data)} if model else {}

        def call() -> Any:
            made = make(data.everything, y, **given, **settings)
            return made.select(labeled, unlabeled, batch_size=data.batch_size, **asked)

        return call

    return prepare


QUERIES = {
    "entropy": query("QueryInstanceUncertainty", model=True, measure="entropy"),
    "margin": query("QueryInstanceUncertainty", model=True, measure="margin"),
    "least_confidence": query("QueryInstanceUncertainty", model=True, measure="least_confident"),
    "core_set": query("QueryInstanceCoresetGreedy", model=False, trained=True),
    "density": query("QueryInstanceDensityWeighted", model=True),
}
