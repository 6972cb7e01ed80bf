"""Where a learning curve is going: a fitted inverse power law, its interval, and how well it foretold the rounds known.

Values are higher-is-better throughout; whoever has a loss turns its sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

LEAST_ROUNDS = 4
"""Points that a curve of three parameters needs, so that one is left to judge the fit by."""
BACKTESTS = 8
COMPARABLE = 2 / 3
"""Of a forecast's distance, in the logarithm of the labels, that an earlier one tells something of it."""
STEEPNESS = (0.05, 2.0)
"""Exponents that learning curves of classifiers have; Viering and Loog, 2023."""
FITTED = 200
"""Points behind a fit; of more rounds every k-th is taken, and the last."""


@dataclass(frozen=True)
class Curve:
    """a - d (n / last)^-c: `a` the ceiling, `d` how far below it the curve is at `last` labels, `c` its steepness."""

    a: float
    d: float
    c: float
    last: float
    covariance: Floats
    noise: float
    df: int

    def at(self, labels: ArrayLike) -> Floats:
        values: Floats = _power_law(np.asarray(labels, dtype=float) / self.last, self.a, self.d, self.c)
        return values

    def sd(self, labels: ArrayLike) -> Floats:
        """Of one more measurement at so many labels: that of the curve (delta method) and that of measuring."""
        x = np.asarray(labels, dtype=float) / self.last
        slopes = np.stack([np.ones_like(x), -(x**-self.c), self.d * np.log(x) * x**-self.c], axis=-1)
        variance = np.einsum("...i,ij,...j->...", slopes, self.covariance, slopes)
        spread: Floats = np.sqrt(np.maximum(variance, 0.0) + self.noise**2)
        return spread


@dataclass(frozen=True)
class Backtest:
    """What the first rounds, up to `from_labels`, foretold for `at_labels`, and what was then `measured` there."""

    from_labels: float
    at_labels: float
    forecast: float
    low: float
    high: float
    measured: float


@dataclass(frozen=True)
class Forecast:
    """`to_goal` (value, low, high) are labels in all; None where the curve does not come there with `most` labels.

    `backtest` are earlier forecasts about as far ahead, as measured by the logarithm of the labels.
    """

    at_labels: float
    value: float
    low: float
    high: float
    to_goal: tuple[float | None, float | None, float | None] | None
    backtest: list[Backtest]


def fit_curve(labels: ArrayLike, values: ArrayLike, widths: ArrayLike | None = None, *, limit: float) -> Curve | None:
    """The inverse power law through the points (n,), those with narrow intervals (`widths`, n) weighing more.

    `limit` is the best value that the metric can have. Least squares with bounds; None for fewer than four points, or
    where no fit is found. Cortes et al., 1994. Points with more labels weigh more, since the first ones lie off the
    power law; Figueroa et al., 2012.
    """
    from scipy.optimize import curve_fit

    x, y = np.asarray(labels, dtype=float), np.asarray(values, dtype=float)
    if len(np.unique(x)) < LEAST_ROUNDS:
        return None
    kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), FITTED)).round().astype(int))
    x, y = x[kept], y[kept]
    sigma = np.sqrt(x[-1] / x)
    if widths is not None:
        sigma *= _relative(np.asarray(widths, dtype=float)[kept])
    ceiling = max(limit, float(y.max()))
    rise = max(float(y.max() - y.min()), 1e-6)
    start = (min(float(y.max()) + rise / 4, ceiling - 1e-9), rise / 2, 0.5)
    bounds = ([-np.inf, 0.0, STEEPNESS[0]], [ceiling, np.inf, STEEPNESS[1]])
    try:
        found, covariance = _quietly(curve_fit, _power_law, x / x[-1], y, start, sigma=sigma, bounds=bounds)
    except RuntimeError:  # no convergence
        return None
    if not np.isfinite(covariance).all():
        return None
    left = (y - _power_law(x / x[-1], *found)) / sigma
    df = len(x) - len(found)
    a, d, c = map(float, found)
    return Curve(a, d, c, float(x[-1]), covariance, float(np.sqrt((left**2).sum() / df)), df)


def forecast(
    labels: ArrayLike,
    values: ArrayLike,
    widths: ArrayLike | None = None,
    *,
    at: float,
    limit: float,
    goal: float | None = None,
    most: float | None = None,
    confidence: float = 0.95,
) -> Forecast | None:
    """The value expected with `at` labels, with the interval in which it would be measured; None below four rounds.

    The interval is widened by the error of the same forecast made in earlier rounds, for a round as much further on.
    """
    x, y = np.asarray(labels, dtype=float), np.asarray(values, dtype=float)
    width = np.ones(len(x)) if widths is None else np.asarray(widths, dtype=float)
    curve = fit_curve(x, y, width, limit=limit)
    if curve is None:
        return None
    tests = _backtests(x, y, width, at / x[-1], limit, confidence)
    error = float(np.sqrt(np.mean([(t.forecast - t.measured) ** 2 for t in tests]))) if tests else 0.0
    value, low, high = _interval(curve, at, limit, confidence, error)
    to_goal = None if goal is None else _labels_to(goal, curve, limit, confidence, error, most or 100 * x[-1])
    alike = [t for t in tests if np.log(t.at_labels / t.from_labels) >= COMPARABLE * np.log(at / x[-1])]
    return Forecast(at, value, low, high, to_goal, alike)


def _backtests(x: Floats, y: Floats, widths: Floats, further: float, limit: float, confidence: float) -> list[Backtest]:
    found = []
    cuts = np.arange(max(LEAST_ROUNDS, len(x) // 2), len(x))
    for cut in np.unique(
        cuts[np.linspace(0, len(cuts) - 1, min(len(cuts), BACKTESTS)).astype(int)] if len(cuts) else []
    ):
        target = max(int(np.abs(x - x[cut - 1] * further).argmin()), int(cut))
        curve = fit_curve(x[:cut], y[:cut], widths[:cut], limit=limit)
        if curve is not None:
            interval = _interval(curve, x[target], limit, confidence, 0.0)
            found.append(Backtest(float(x[cut - 1]), float(x[target]), *interval, float(y[target])))
    return found


def _interval(curve: Curve, at: float, limit: float, confidence: float, error: float) -> tuple[float, float, float]:
    """Between what the curve has already come to and the metric's limit, for a learning curve does not fall."""
    value, half = float(curve.at(at)), float(_half(curve, np.asarray(at), confidence, error))
    now, half_now = float(curve.at(curve.last)), float(_half(curve, np.asarray(curve.last), confidence, error))
    return value, min(max(value - half, now - half_now), value), max(min(value + half, limit), value)


def _half(curve: Curve, at: Floats, confidence: float, error: float) -> Floats:
    from scipy.special import ndtri, stdtrit

    upper = (1 + confidence) / 2
    half: Floats = np.hypot(float(stdtrit(curve.df, upper)) * curve.sd(at), float(ndtri(upper)) * error)
    return half


def _labels_to(
    goal: float, curve: Curve, limit: float, confidence: float, error: float, most: float
) -> tuple[float | None, float | None, float | None]:
    grid = np.geomspace(curve.last, max(most, curve.last), 512)
    value, half = curve.at(grid), _half(curve, grid, confidence, error)

    def first(edge: Floats) -> float | None:
        reached = np.flatnonzero(edge >= goal)
        return float(grid[reached[0]]) if len(reached) else None

    return first(value), first(np.minimum(value + half, limit)), first(np.maximum.accumulate(value - half))


def _power_law(x: Floats, a: float, d: float, c: float) -> Floats:
    value: Floats = a - d * x**-c
    return value


def _relative(widths: Floats) -> Floats:
    """Relative to the last one, so that `noise` is that of the newest measurement; 1 where no width is known."""
    known = widths[np.isfinite(widths) & (widths > 0)]
    if len(known) < len(widths):
        return np.ones(len(widths))
    relative: Floats = widths / widths[-1]
    return relative


def _quietly(fit: Any, *args: Any, **kwargs: Any) -> Any:  # Any: scipy's curve_fit and what it takes
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a covariance that cannot be told comes back infinite, and is looked at
        return fit(*args, **kwargs)
