"""modAL's query functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def query(module: str, function: str, **settings: Any) -> Callable[[Any], Callable[[], Any]]:
    def prepare(data: Any) -> Callable[[], Any]:
        from importlib import import_module

        from modAL.models import ActiveLearner
        from sklearn.base import BaseEstimator
        from synthetic import Head

        class Fixed(Head, BaseEstimator):
            pass

        strategy = getattr(import_module(f"modAL.{module}"), function)
        learner = ActiveLearner(Fixed(data), strategy, X_training=data.labeled, y_training=data.y)
        return lambda: learner.query(data.pool, n_instances=data.batch_size, **settings)[0]

    return prepare


QUERIES = {
    "entropy": query("uncertainty", "entropy_sampling"),
    "margin": query("uncertainty", "margin_sampling"),
    "least_confidence": query("uncertainty", "uncertainty_sampling"),
    "ranked_batch": query("batch", "uncertainty_batch_sampling"),
}
