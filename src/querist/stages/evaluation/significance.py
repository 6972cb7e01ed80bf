"""Whether a difference is more than chance: tests for pairs, the size of an effect, and many tests at once.

Each test refuses fewer pairs than could ever tell a difference at 5 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ShapeError

Floats = NDArray[np.float64]

LEAST_PAIRS = 3
"""Two leave one degree of freedom, and an interval thirteen standard errors wide to either side."""
LEAST_PAIRS_BY_SIGN = 6
"""With five pairs, all of one sign, the smallest two-sided p of Wilcoxon's and McNemar's test is 0.0625."""
FEW_DISCORDANT = 25
"""Below it the chi-squared form of McNemar's test is not to be trusted (the rule of statsmodels and Fleiss, 1981)."""
HUGE = 1000.0
"""A t statistic beyond it is all spread and no chance."""
FLAT = 1e-12
"""Differences that vary by less than this share of their size differ by rounding alone."""


@dataclass(frozen=True)
class Tested:
    """What a test found: its name, `statistic` and two-sided `p` of `pairs`, and what it `assumes`."""

    test: str
    statistic: float
    p: float
    pairs: int
    assumes: str


@dataclass(frozen=True)
class Effect:
    """Cohen's d_z: the mean difference in standard deviations of the differences, with its interval."""

    value: float
    low: float
    high: float


def paired_t(differences: Floats, *, test_share: float | None = None) -> Tested:
    """Student's t-test that paired differences (n,) have mean 0.

    `test_share` is the ratio of test to training items where the repeats draw both anew from the same items: their
    results overlap, and the variance is corrected for it (Nadeau and Bengio, 2003). Raises ShapeError for fewer than
    three pairs, and where all differences are the same, which makes them one observation.
    """
    from scipy.special import stdtr

    values = _finite(differences)
    _enough(len(values), LEAST_PAIRS, "the paired t-test", "pairs", "run more repeats")
    n, mean = len(values), float(values.mean())
    spread = float(values.std(ddof=1))
    if spread <= FLAT * np.abs(values).max():
        if mean != 0:
            raise ShapeError(
                f"all {n} differences are {mean:g}: they are one observation, and no test can be made of it; let "
                "repeats differ in their draws (seed set or split)"
            )
        statistic, p = 0.0, 1.0
    else:
        statistic = mean / (spread * float(np.sqrt(1 / n + (test_share or 0.0))))
        p = float(2 * stdtr(n - 1, -abs(statistic)))
    if test_share is None:
        assumes = "the differences come from independent repeats and are about normally distributed"
        return Tested("paired t-test", statistic, p, n, assumes)
    assumes = (
        "the differences are about normally distributed, and results of two repeats correlate as the share of test "
        "items, since their training items overlap"
    )
    return Tested("paired t-test with Nadeau and Bengio's correction", statistic, p, n, assumes)


def signed_rank(differences: Floats) -> Tested:
    """Wilcoxon's signed-rank test (1945) that paired differences (n,) are symmetric about 0; zeros are left out.

    Exact up to fifty pairs without ties. Raises ShapeError for fewer than six differences other than 0.
    """
    from scipy.stats import wilcoxon

    values = _finite(differences)
    values = values[values != 0]
    _enough(len(values), LEAST_PAIRS_BY_SIGN, "Wilcoxon's signed-rank test", "pairs that differ", "run more repeats")
    found = wilcoxon(values)
    assumes = "the differences come from independent repeats and, without an effect, spread evenly about 0"
    return Tested("Wilcoxon signed-rank test", float(found.statistic), float(found.pvalue), len(values), assumes)


def mcnemar(right: NDArray[np.bool_], other: NDArray[np.bool_]) -> Tested:
    """McNemar's test (1947) that two models are right equally often on the same items: (n,) hits of each.

    Items that both get right, or both wrong, tell nothing; of fewer than 25 others the p-value is the exact binomial
    one, of more that of chi-squared with Edwards' correction. The statistic is the smaller of the two counts, or
    chi-squared. Raises ShapeError for fewer than six items, among which there cannot be six that tell.
    """
    if right.shape != other.shape:
        raise ShapeError(f"hits of two models must be of the same items, got shapes {right.shape} and {other.shape}")
    _enough(len(right), LEAST_PAIRS_BY_SIGN, "McNemar's test", "items", "label more of the holdout")
    first, second = int((right & ~other).sum()), int((~right & other).sum())
    assumes = "the items are independent draws, and both models were fixed before they saw any of them"
    if first + second < FEW_DISCORDANT:
        from scipy.special import bdtr

        p = min(2 * float(bdtr(min(first, second), first + second, 0.5)), 1.0)
        return Tested("McNemar's test (exact)", float(min(first, second)), p, len(right), assumes)
    from scipy.special import chdtrc

    statistic = (abs(first - second) - 1) ** 2 / (first + second)
    return Tested("McNemar's test (corrected)", statistic, float(chdtrc(1, statistic)), len(right), assumes)


def cohens_dz(differences: Floats, *, confidence: float = 0.95) -> Effect:
    """Effect size of paired differences (n,), with the exact interval of the noncentral t distribution.

    Cumming and Finch, 2001; it holds for normal differences. Raises ShapeError as `paired_t` does.
    """
    from scipy.special import chdtri, nctdtrinc

    found = paired_t(differences)
    t, freedom, root = found.statistic, found.pairs - 1, float(np.sqrt(found.pairs))
    tails = (1 - confidence) / 2, (1 + confidence) / 2
    if abs(t) > HUGE:  # the mean is as good as known, and only the spread is not; the general form would not end
        low, high = sorted(t * float(np.sqrt(chdtri(freedom, tail) / freedom)) for tail in tails)
    else:
        low, high = (float(nctdtrinc(freedom, tail, t)) for tail in tails[::-1])
    return Effect(t / root, low / root, high / root)


def holm(p: Sequence[float]) -> list[float]:
    """p-values, in the order given, that may be compared with one level however many there are. Holm, 1979."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values)
    steps = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(steps, 1.0)
    return [float(value) for value in adjusted]


def _finite(differences: Floats) -> Floats:
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ShapeError(f"differences must be one finite number a pair, got shape {values.shape} or NaN among them")
    return values


def _enough(found: int, least: int, test: str, what: str, remedy: str) -> None:
    if found < least:
        raise ShapeError(f"{test} needs at least {least} {what}, got {found}; {remedy}")
