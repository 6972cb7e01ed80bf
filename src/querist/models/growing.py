"""Boosting in parts, so that its loss can be told before the last tree stands."""

from __future__ import annotations

import numpy as np

from querist.models.fitting import train
from querist.models.heads import Estimator
from querist.models.losses import staged_losses
from querist.models.tuning import Labeled
from querist.models.watching import OnLoss

PARTS = 10
SIZES = ("max_iter", "n_estimators")
"""What scikit-learn calls the number of trees."""


def size_of(estimator: Estimator) -> str | None:
    """The name of its number of trees, where it can go on from those it has to the same ones as at once.

    GradientBoostingClassifier cannot where it stops early: it forgets in between how long it has not become better.
    HistGradientBoostingClassifier keeps its scores and the seed of its validation items.
    """
    params = estimator.get_params() if hasattr(estimator, "staged_predict_proba") else {}
    forgets = "early_stopping" not in params and params.get("n_iter_no_change") is not None
    if "warm_start" not in params or forgets:
        return None
    return next((name for name in SIZES if name in params), None)


def grow(estimator: Estimator, size: str, training: Labeled, on_loss: OnLoss) -> Estimator:
    """The estimator fitted in ten parts, with the loss of each tree told after its part: the same trees as at once,
    as few where it stops early."""
    given = {name: estimator.get_params()[name] for name in (size, "warm_start")}
    told = 0
    for trees in np.unique(np.linspace(0, given[size], PARTS + 1).round().astype(int))[1:]:
        train(estimator.set_params(**{size: int(trees)}, warm_start=True), *training)
        losses = staged_losses(estimator, training.X, training.y)
        for at in range(told, len(losses)):
            on_loss(at + 1, losses[at])
        told = len(losses)
        if _stopped(estimator):
            break
    return estimator.set_params(**given)


def _stopped(estimator: Estimator) -> bool:
    """Whether it stopped early, as scikit-learn decides: none of its last scores is better than the one before them."""
    if not getattr(estimator, "do_early_stopping_", False):
        return False
    scores = estimator.validation_score_ if len(estimator.validation_score_) else estimator.train_score_
    patience = estimator.n_iter_no_change
    return len(scores) > patience and not (scores[-patience:] > scores[-patience - 1] + estimator.tol).any()
