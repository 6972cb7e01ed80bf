"""A share of things counted, and how far off it may be."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def wilson(share: ArrayLike, n: ArrayLike, *, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Wilson's interval (1927) of a share of n things, element by element: (low, high), 0 to 1 where n is 0."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, n = np.asarray(share, dtype=np.float64), np.asarray(n, dtype=np.float64)
    middle = (share * n + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * np.sqrt(n * share * (1 - share) + z * z / 4)
    # The share itself lies within, whatever rounding says.
    return np.fmin(np.maximum(middle - half, 0.0), share), np.fmax(np.minimum(middle + half, 1.0), share)
