"""What a probability costs when the truth is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.core.types import Codes, Probabilities


def log_losses(y: Codes, proba: Probabilities) -> NDArray[np.float64]:
    """(n_items,) -log P(true class) in nats; a probability of 0 counts as 2.2e-16."""
    truth = proba[np.arange(len(y)), y].astype(np.float64) / proba.sum(axis=1, dtype=np.float64)
    losses: NDArray[np.float64] = -np.log(np.clip(truth, np.finfo(np.float64).eps, 1.0))
    return losses
