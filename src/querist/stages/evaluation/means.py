"""The interval of a mean whose values have a long tail, such as the losses of items."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FLAT = 1e-9
"""A skewness, over the root of n, below which values count as symmetric."""


def interval(
    losses: Floats, *, confidence: float, groups: NDArray[np.integer[Any]] | None = None
) -> tuple[float, float]:
    """(low, high) of the mean of losses (n,) in nats, of which a few may be as large as all others together.

    Hall's interval (1992), which corrects Student's for the skewness that the sample shows. A sample may also lack the
    tail altogether: `high` is at least what it would be with one more item of loss log(n + 1), as of an item that a
    model wrongly holds for no likelier than one in n + 1. Items in `groups` count as one value a group. NaN for one
    value.
    """
    values = losses if groups is None else _of_groups(losses, groups)
    n, mean = len(values), float(losses.mean())
    if n < 2:
        return float("nan"), float("nan")
    from scipy.special import stdtrit

    z = float(stdtrit(n - 1, (1 + confidence) / 2))
    low, high = hall(values, z)
    seen = np.append(values, np.log(n + 1))
    tail = float(seen.mean() + z * seen.std(ddof=1) / np.sqrt(n))
    return max(min(low, mean), 0.0), max(high, tail, mean)


def hall(values: Floats, z: float) -> tuple[float, float]:
    """(low, high) of the mean of values (n,), from quantiles -z and z of a symmetric statistic. Hall, 1992."""
    mean, spread = float(values.mean()), float(values.std())
    if spread == 0:
        return mean, mean
    root = np.sqrt(len(values))
    skew = float((((values - mean) / spread) ** 3).mean() / root)
    ends = np.array([z, -z])
    if abs(skew) > FLAT:
        ends = 3 / skew * (np.cbrt(1 + skew * (ends - skew / 6)) - 1)
    low, high = mean - ends * float(values.std(ddof=1)) / root
    return float(low), float(high)


def _of_groups(losses: Floats, groups: NDArray[np.integer[Any]]) -> Floats:
    """(n_groups,) values with the mean of the losses, by what each group moves it (the linearized ratio of sums)."""
    mean, names = losses.mean(), np.unique(groups, return_inverse=True)[1]
    moved = np.bincount(names, weights=losses - mean)
    values: Floats = mean + moved * len(moved) / len(losses)
    return values
