"""Labels that random sampling would have needed for the quality reached: the baseline's curve, read backwards.

Values are higher-is-better throughout; whoever has a loss turns its sign.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from querist.stages.evaluation.bounded import Bounded
from querist.stages.evaluation.forecast import fit_curve
from querist.stages.evaluation.runs import at_every_look, follows, freedom, leaning, smooth

Floats = NDArray[np.float64]
Kind = Literal["saved", "no_difference", "lost", "unknown"]
Why = Literal["", "begins", "falls", "extrapolated", "undefined"]

LEAST_REPEATS = 3
EXTRAPOLATED_POINTS = 24
EXACT = 1e-9
MOST_DRAWN = 0.95
"""Share of the population beyond which draws are so alike that their variance tells nothing."""
ITEMS_WEIGH = 1.0
"""Degrees of freedom that the variance of the holdout's items counts for, beside that of the runs."""


@dataclass(frozen=True)
class Baseline:
    """Runs of random sampling: values `curves` (n_repeats, n_points) at `labels` (n_points,), ascending.

    `population` is the number of labels that the runs were drawn from, where they share so few that they resemble each
    other; None where each drew from many. Points beyond `measured_to` labels are of fitted curves, which were off by
    about `misfit` (n_points,) where that could be looked at. Near its bounds a metric varies less, and to
    one side: where `bounded` says what they are, runs are compared on the logit scale, else on that of the values.
    """

    labels: Floats
    curves: Floats
    measured_to: float
    population: float | None = None
    misfit: Floats | None = None
    bounded: Bounded | None = None


@dataclass(frozen=True)
class Band:
    """The mean curve of random sampling and the interval in which one more run would lie, each (n_points,).

    `mean`, `low` and `high` never fall; `centre`, `under` and `over` are the same as they are. Between the `farthest`
    edges, under and over, lies one more run as a whole.
    """

    labels: Floats
    mean: Floats
    low: Floats
    high: Floats
    centre: Floats
    under: Floats
    over: Floats
    measured_to: float
    farthest: tuple[Floats, Floats]


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
    return replace(
        baseline,
        labels=np.concatenate([baseline.labels, beyond]),
        curves=np.hstack([baseline.curves, [fit.at(beyond) for fit in fits if fit]]),
        misfit=np.concatenate([np.zeros(len(baseline.labels)), error * further]),
    )


def band(baseline: Baseline, confidence: float = 0.95) -> Band:
    """Mean of the runs and Student's prediction interval of one more run, as they are and made never to fall.

    Runs that share most of their labels resemble each other more than fresh ones would: of `population` labels without
    replacement, their variance is (1 - n/population) of that of fresh ones, and their mean itself varies by
    n/population of it. Cochran, Sampling Techniques, 1977. Beyond its end a curve varies as the fits do, and one more
    run scatters about it as it did at the end. Few runs that happen to be alike prove little: where the metric has
    bounds, what its items would vary by if each were right by chance is pooled with what the runs vary by, unless that
    is more; as values go by items, half of one is added (Yates, 1934), and one more or less lies within however alike
    they are. A side to which runs stray further is wider.
    Raises ValueError below three runs, or where they begin beyond what was measured.
    """
    from scipy.special import stdtrit

    n_runs, labels = len(baseline.curves), baseline.labels
    if n_runs < LEAST_REPEATS:
        raise ValueError(f"{n_runs} runs tell too little of how runs differ; {LEAST_REPEATS} at least are needed")
    if baseline.measured_to < labels[0]:
        raise ValueError(f"runs measured to {baseline.measured_to:g} labels begin at {labels[0]:g}; give what they had")
    centre, curves = baseline.curves.mean(axis=0), _scaled(baseline, baseline.curves)
    middle, measured = curves.mean(axis=0), labels <= baseline.measured_to
    variance, n = curves.var(axis=0, ddof=1), int(measured.sum())
    variance[:n] = smooth(variance[:n], labels[:n])
    following = follows(curves[:, :n])
    free = freedom(n_runs, following)
    if baseline.bounded is not None:
        chance = ITEMS_WEIGH * baseline.bounded.by_chance(middle)
        variance = np.maximum(variance, (free * variance + chance) / (free + ITEMS_WEIGH))
    drawn: Floats = np.zeros(len(labels))
    if baseline.population:
        drawn = np.minimum(np.minimum(labels, baseline.measured_to) / baseline.population, MOST_DRAWN)
    fresh = variance / (1 - drawn)
    own = np.where(measured, fresh, fresh[n - 1])
    misfit: Floats | float = 0.0
    if baseline.misfit is not None:
        misfit = _scaled(baseline, centre) - _scaled(baseline, centre - baseline.misfit)
    spread = np.sqrt(own + fresh * drawn + variance / n_runs + misfit**2)
    once = float(stdtrit(free, (1 + confidence) / 2))
    always = at_every_look(n, following[1] if len(following) > 1 else 0.0, free, confidence)
    step = baseline.bounded.step if baseline.bounded else 0.0
    below, above = (spread * np.pad(side, (0, len(labels) - n), "edge") for side in leaning(curves[:, :n], labels[:n]))

    def edges(times: float) -> tuple[Floats, Floats]:
        under, over = _unscaled(baseline, middle - times * below), _unscaled(baseline, middle + times * above)
        return np.minimum(under - step / 2, centre - step - EXACT), np.maximum(over + step / 2, centre + step + EXACT)

    return _made(labels, centre, *edges(once), baseline.measured_to, edges(always))


def whole(random: Band) -> Band:
    """The band that one more run lies in as a whole: where runs scatter normally on their scale, what leaves it does so
    by chance in 1 - confidence of all cases at most, however often one looks at the run as it grows.

    Runs on real data are not quite normal: `benchmarks/told_by_chance.py` counts how often they leave it.
    """
    return _made(random.labels, random.centre, *random.farthest, random.measured_to, random.farthest)


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
    to fall: where random sampling itself dips or falls, the second alone would find a difference that is none. `whole`
    says how often a project that is as good as random is told otherwise at any of its rounds. Beyond what was measured
    nothing counts as saved, and as lost what random sampling had passed before. Of what is NaN nothing is known.
    """
    if not np.isfinite([reached, *random.under, *random.over]).all():
        return Judged("unknown", Needed(None, None, None), "undefined")
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
    low = min(float(np.interp(labels, random.labels, edge)) for edge in (random.low, random.under))
    high = max(float(np.interp(labels, random.labels, edge)) for edge in (random.high, random.over))
    return float(np.interp(labels, random.labels, random.mean)), low, high


def _made(
    labels: Floats, centre: Floats, under: Floats, over: Floats, measured_to: float, farthest: tuple[Floats, Floats]
) -> Band:
    """A band of these edges, with what never falls beside; the wider it is at a point, the less that point counts."""
    weights = 1 / (over - under) ** 2
    mean, low, high = (_rising(edge, weights) for edge in (centre, under, over))
    return Band(labels, mean, low, high, centre, under, over, measured_to, farthest)


def _scaled(baseline: Baseline, values: Floats) -> Floats:
    return values if baseline.bounded is None else baseline.bounded.logits(values)


def _unscaled(baseline: Baseline, values: Floats) -> Floats:
    return values if baseline.bounded is None else baseline.bounded.values(values)


def _falls(random: Band, needed: Needed, labels: float) -> bool:
    """Whether the mean leaves the one that never falls by more than its interval, where it would be read backwards."""
    first = min(labels, needed.low or random.labels[0])
    last = max(labels, needed.high or random.labels[-1])
    before, after = np.searchsorted(random.labels, [first, last], side="right")
    leaves = (random.mean < random.under - EXACT) | (random.mean > random.over + EXACT)
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
