"""Labels that random sampling would have needed for the quality reached: the baseline's curve, read backwards.

Values are higher-is-better throughout; whoever has a loss turns its sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from querist.stages.evaluation.forecast import fit_curve

Floats = NDArray[np.float64]
Kind = Literal["saved", "no_difference", "lost", "unknown"]
Why = Literal["", "begins", "falls", "extrapolated"]

LEAST_REPEATS = 3
NEIGHBOURS = 7
"""Points whose spread is averaged: three repeats alone tell little of it, and it changes slowly."""
STEEPEST = -3.0
"""The power of the labels that a variance may fall with at most."""
EXTRAPOLATED_POINTS = 24
EXACT = 1e-9
MOST_DRAWN = 0.95
"""Share of the population beyond which draws are so alike that their variance tells nothing."""


@dataclass(frozen=True)
class Baseline:
    """Runs of random sampling: values `curves` (n_repeats, n_points) at `labels` (n_points,), ascending.

    `population` is the number of labels that the runs were drawn from, where they share so few that they resemble each
    other; None where each drew from many. Points beyond `measured_to` labels are of fitted curves, which were off by
    about `misfit` (n_points,) where that could be looked at.
    """

    labels: Floats
    curves: Floats
    measured_to: float
    population: float | None = None
    misfit: Floats | None = None


@dataclass(frozen=True)
class Band:
    """The mean curve of random sampling and the interval in which one more run would lie, each (n_points,).

    `mean`, `low` and `high` never fall; `centre` is the mean as it is, and `half` the half width of its interval. So
    many times `wider` it holds one more run as a whole.
    """

    labels: Floats
    mean: Floats
    low: Floats
    high: Floats
    centre: Floats
    half: Floats
    measured_to: float
    wider: float


@dataclass(frozen=True)
class Needed:
    """Labels that random sampling needs. Without `low`: so few that the baseline begins too late to tell, `high` at
    most; without `high`: more than were measured, `low` at least."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Judged:
    """`why` nothing can be said; `guess` are the labels needed by an extrapolated curve, which decides nothing."""

    kind: Kind
    needed: Needed
    why: Why = ""
    guess: float | None = None


def extrapolate(baseline: Baseline, to: float, *, limit: float) -> Baseline:
    """The baseline with each run's fitted curve beyond its end; as it is where the runs are too short to be fitted.

    The misfit is how far the mean of curves fitted to the first two thirds lies from what was measured at the end, and
    as much more as the logarithm of the labels goes further.
    """
    end = baseline.labels[-1]
    beyond = np.geomspace(end, max(to, end), EXTRAPOLATED_POINTS + 1)[1:]
    fits = [fit_curve(baseline.labels, curve, limit=limit) for curve in baseline.curves]
    if to <= end or any(fit is None for fit in fits):
        return baseline
    first = max(2 * len(baseline.labels) // 3, 4)
    early = [fit_curve(baseline.labels[:first], curve[:first], limit=limit) for curve in baseline.curves]
    ahead = baseline.labels[first:]
    missed = [fit.at(ahead) - curve[first:] for fit, curve in zip(early, baseline.curves, strict=True) if fit]
    error = float(np.sqrt(np.mean(np.mean(missed, axis=0) ** 2))) if missed and len(ahead) else 0.0
    further = np.log(beyond / end) / np.log(end / baseline.labels[first - 1]) if len(ahead) else np.zeros(len(beyond))
    return Baseline(
        labels=np.concatenate([baseline.labels, beyond]),
        curves=np.hstack([baseline.curves, [fit.at(beyond) for fit in fits if fit]]),
        measured_to=baseline.measured_to,
        population=baseline.population,
        misfit=np.concatenate([np.zeros(len(baseline.labels)), error * further]),
    )


def band(baseline: Baseline, confidence: float = 0.95) -> Band:
    """Mean of the runs and Student's prediction interval of one more run, as they are and made never to fall.

    Runs that share most of their labels resemble each other more than fresh ones would: of `population` labels without
    replacement, their variance is (1 - n/population) of that of fresh ones, and their mean itself varies by
    n/population of it. Cochran, Sampling Techniques, 1977. Beyond its end a curve varies as the fits do, and one more
    run scatters about it as it did at the end. Raises ValueError below three runs.
    """
    from scipy.special import stdtrit

    n_runs = len(baseline.curves)
    if n_runs < LEAST_REPEATS:
        raise ValueError(f"{n_runs} runs tell too little of how runs differ; {LEAST_REPEATS} at least are needed")
    measured = baseline.labels <= baseline.measured_to
    variance, n = baseline.curves.var(axis=0, ddof=1), int(measured.sum())
    variance[:n] = _smooth(variance[:n], baseline.labels[:n])
    drawn: Floats = np.zeros(len(baseline.labels))
    if baseline.population:
        drawn = np.minimum(np.minimum(baseline.labels, baseline.measured_to) / baseline.population, MOST_DRAWN)
    fresh = variance / (1 - drawn)
    own = np.where(measured, fresh, fresh[n - 1])
    misfit = 0.0 if baseline.misfit is None else baseline.misfit
    spread = np.sqrt(own + fresh * drawn + variance / n_runs + misfit**2)
    follows = _follows(baseline.curves[:, :n])
    freedom = _freedom(n_runs, follows)
    once = float(stdtrit(freedom, (1 + confidence) / 2))
    half = once * spread
    wider = _at_every_look(n, follows[1] if len(follows) > 1 else 0.0, freedom, confidence) / once
    mean, weights = baseline.curves.mean(axis=0), 1 / np.maximum(spread, 1e-9) ** 2
    middle, low, high = (_rising(edge, weights) for edge in (mean, mean - half, mean + half))
    return Band(
        baseline.labels, middle, low, high, centre=mean, half=half, measured_to=baseline.measured_to, wider=wider
    )


def whole(random: Band) -> Band:
    """The band that one more run lies in as a whole: what leaves it does so by chance in 1 - confidence of all cases,
    however often one looks at the run as it grows."""
    half, weights = random.half * random.wider, 1 / np.maximum(random.half, EXACT) ** 2
    low, high = (_rising(edge, weights) for edge in (random.centre - half, random.centre + half))
    return replace(random, low=low, high=high, half=half, wider=1.0)


def labels_needed(random: Band, value: float) -> Needed:
    """Where the band comes to the value: the inverse prediction (calibration) interval of the band. Eisenhart, 1939.

    The uncertainty of the value reached is that of one run, as it is of any run of random sampling: both are measured
    on the same holdout, so what is peculiar to the holdout cancels. Of what lies beyond the measured part it is only
    said that it does.
    """
    end = random.measured_to
    early, middle, late = (_crossing(random.labels, edge, value) for edge in (random.high, random.mean, random.low))
    return Needed(
        value=middle if 0 < middle <= end else None,
        low=min(early, end) if early else None,
        high=None if late > end else late or float(random.labels[0]),
    )


def judge(random: Band, reached: float, labels: float) -> Judged:
    """What random sampling says of the value `reached` with so many `labels`.

    Saved or lost is a value that lies outside the band of a whole run at the same labels, as measured and as made never
    to fall: where random sampling itself dips or falls, the second alone would find a difference that is none. So a
    project that is as good as random is told otherwise at any of its rounds in 1 - confidence of all cases. Beyond what
    was measured nothing counts as saved, and as lost what random sampling had passed before.
    """
    needed = labels_needed(random, reached)
    if labels < random.labels[0]:
        return Judged("unknown", needed, "begins")
    if _falls(random, needed, labels):
        return Judged("unknown", needed, "falls")
    _, low, high = at(whole(random), min(labels, random.measured_to))
    middle = _crossing(random.labels, random.mean, reached)
    guess = middle if random.measured_to < middle < np.inf else None
    if reached < low and needed.high is not None and needed.high < labels:
        return Judged("lost", needed)
    if labels > random.measured_to:
        return Judged("unknown", needed, "extrapolated", guess)
    if reached > high:
        return Judged("saved", needed, guess=guess)
    least, most = needed.low and min(needed.low, labels), needed.high and max(needed.high, labels)
    return Judged("no_difference", Needed(needed.value, least, most))


def share_saved(needed: Needed, labels: float) -> Needed:
    """Share of the labels that random sampling needs; negative where it needs fewer. None where that is unknown."""
    value, low, high = (None if n is None else 1 - labels / n for n in (needed.value, needed.low, needed.high))
    return Needed(value, low, high)


def labels_saved(needed: Needed, labels: float) -> Needed:
    value, low, high = (None if n is None else n - labels for n in (needed.value, needed.low, needed.high))
    return Needed(value, low, high)


def at(random: Band, labels: float) -> tuple[float, float, float]:
    """The band (mean, low, high) at so many labels: its edges as they are, or as made never to fall, if further."""
    lows, highs = (random.low, random.centre - random.half), (random.high, random.centre + random.half)
    low = min(float(np.interp(labels, random.labels, edge)) for edge in lows)
    high = max(float(np.interp(labels, random.labels, edge)) for edge in highs)
    return float(np.interp(labels, random.labels, random.mean)), low, high


def _falls(random: Band, needed: Needed, labels: float) -> bool:
    """Whether the mean leaves the one that never falls by more than its interval, where it would be read backwards."""
    first = min(labels, needed.low or random.labels[0])
    last = max(labels, needed.high or random.labels[-1])
    before, after = np.searchsorted(random.labels, [first, last], side="right")
    leaves = np.abs(random.centre - random.mean) > random.half + EXACT
    return bool(leaves[before - 1 : after + 1].any())


def _crossing(labels: Floats, curve: Floats, value: float) -> float:
    """Labels at which a curve that never falls comes to the value, between two points by a straight line; 0 where it
    begins above, infinite where it never comes there."""
    if curve[0] > value:
        return 0.0
    reached = np.flatnonzero(curve >= value)
    if not len(reached):
        return float(np.inf)
    place = int(reached[0])
    if place == 0:
        return float(labels[0])
    before, after = curve[place - 1], curve[place]
    return float(labels[place - 1] + (labels[place] - labels[place - 1]) * (value - before) / (after - before))


def _rising(values: Floats, weights: Floats) -> Floats:
    """Least squares under the condition that it never falls. Barlow et al., 1972."""
    from scipy.optimize import isotonic_regression

    rising: Floats = isotonic_regression(values, weights=weights).x
    return rising


def _smooth(variance: Floats, labels: Floats) -> Floats:
    """Each variance as the mean of its nearest neighbours (at the ends those to one side), all brought to its place by
    the power of the labels with which variances fall along the curve."""
    size = min(NEIGHBOURS, len(variance))
    trend, known = np.ones(len(variance)), variance > 0
    if known.sum() >= NEIGHBOURS:
        slope = np.polyfit(np.log(labels[known]), np.log(variance[known]), 1)[0]
        trend = labels ** np.clip(slope, STEEPEST, 0.0)
    means = np.convolve(variance / trend, np.ones(size) / size, mode="valid")
    smoothed: Floats = means[np.clip(np.arange(len(variance)) - size // 2, 0, len(means) - 1)] * trend
    return smoothed


def _follows(curves: Floats) -> list[float]:
    """Correlation of a run's points with themselves, with their neighbours, and so on."""
    n_points = curves.shape[1]
    off = curves - curves.mean(axis=0)
    scale = np.sqrt((off**2).mean(axis=0))
    off = np.divide(off, scale, out=np.zeros_like(off), where=scale > 0)
    size = min(NEIGHBOURS, n_points)
    return [1.0, *(float((off[:, lag:] * off[:, :-lag]).mean()) for lag in range(1, size))]


def _freedom(n_runs: int, follows: Sequence[float]) -> float:
    """Degrees of freedom behind a smoothed variance: those of one point, and more the less its neighbours follow it.

    Satterthwaite, 1946.
    """
    size = len(follows)
    lags = np.abs(np.arange(size)[:, None] - np.arange(size))
    return float((n_runs - 1) * size**2 / (np.array(follows)[lags] ** 2).sum())


def _at_every_look(n: int, follows: float, freedom: float, confidence: float) -> float:
    """Student's t beyond which none of a run's n points lies with this confidence, where each point `follows` the one
    before by a correlation: the tube formula, and of independent points Bonferroni's. Sun and Loader, 1994.
    """
    from scipy.optimize import brentq
    from scipy.special import stdtr, stdtrit

    beyond, turns = 1 - confidence, (n - 1) * float(np.arccos(min(abs(follows), 1.0))) / np.pi
    most = float(stdtrit(freedom, 1 - beyond / 2 / n))

    def left(t: float) -> float:
        return float(turns * (1 + t * t / freedom) ** (-freedom / 2) + 2 * stdtr(freedom, -t)) - beyond

    return most if left(most) >= 0 else float(brentq(left, 0.0, most))
