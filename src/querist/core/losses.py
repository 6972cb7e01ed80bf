"""What a probability costs when the truth is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.core.types import Probabilities, Targets


def log_losses(y: Targets, proba: Probabilities) -> NDArray[np.float64]:
    """(n_items,) -log P(true class) in nats; a probability of 0 counts as 2.2e-16.

    Of items with several labels, `y` (n_items, n_classes) bool, the mean over the labels, each present or not.
    """
    if y.ndim == 2:
        right = np.where(y, proba, 1 - proba).astype(np.float64)
        each: NDArray[np.float64] = -np.log(np.clip(right, np.finfo(np.float64).eps, 1.0)).mean(axis=1)
        return each
    truth = proba[np.arange(len(y)), y].astype(np.float64) / proba.sum(axis=1, dtype=np.float64)
    losses: NDArray[np.float64] = -np.log(np.clip(truth, np.finfo(np.float64).eps, 1.0))
    return losses
