"""What a model said of items, in one label, one confidence and one entropy each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.label_sets import LabelSets, predicted, surest
from querist.core.types import Probabilities


def said(proba: Probabilities, classes: Sequence[str], sets: LabelSets | None) -> dict[str, Any]:
    """The columns label, confidence and entropy of the prediction log, of (n, n_classes).

    With `sets` a label is the string of a set, its confidence that of the label that is least sure.
    """
    if sets is None:
        labels, sure, unsure = [classes[code] for code in proba.argmax(axis=1)], proba.max(axis=1), entropy(proba)
    else:
        labels, sure, unsure = sets.strings(predicted(proba), classes), surest(proba), mean_entropy(proba)
    return {"label": labels, "confidence": sure, "entropy": unsure.astype(np.float32)}


def entropy(proba: Probabilities) -> NDArray[np.float64]:
    """(n,) Shannon entropy in nats, 0 (sure) to log(n_classes)."""
    safe = np.clip(proba.astype(np.float64), 1e-12, 1.0)
    found: NDArray[np.float64] = -(safe * np.log(safe)).sum(axis=1)
    return found


def mean_entropy(proba: Probabilities) -> NDArray[np.float64]:
    """(n,) the mean over labels, of which an item may have several, of the entropy of having it: 0 to log(2)."""
    each = entropy(np.stack([proba, 1 - proba], axis=-1).reshape(-1, 2))
    found: NDArray[np.float64] = each.reshape(proba.shape).mean(axis=1)
    return found
