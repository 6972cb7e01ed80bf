"""How runs of the same sampling differ along their curves: how much, how alike neighbours are, how far one strays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NEIGHBOURS = 7
"""Points whose spread is averaged: three repeats alone tell little of it, and it changes slowly."""
STEEPEST = -3.0
"""The power of the labels that a variance may fall with at most."""


def smooth(variance: Floats, labels: Floats) -> Floats:
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


def leaning(curves: Floats, labels: Floats) -> tuple[Floats, Floats]:
    """How much further than both sides together the runs (n_runs, n_points) stray below and above their mean, each
    (n_points,) and at least 1: runs that fell behind lie further off than those ahead. Fechner's two pieces, 1897."""
    off = curves - curves.mean(axis=0)
    whole = smooth((off**2).sum(axis=0), labels)
    below, above = (smooth(2 * (np.clip(side, 0, None) ** 2).sum(axis=0), labels) for side in (-off, off))
    return _further(below, whole), _further(above, whole)


def follows(curves: Floats) -> list[float]:
    """Correlation of a run's points with themselves, with their neighbours, and so on."""
    n_points = curves.shape[1]
    off = curves - curves.mean(axis=0)
    scale = np.sqrt((off**2).mean(axis=0))
    off = np.divide(off, scale, out=np.zeros_like(off), where=scale > 0)
    size = min(NEIGHBOURS, n_points)
    return [1.0, *(float((off[:, lag:] * off[:, :-lag]).mean()) for lag in range(1, size))]


def freedom(n_runs: int, follows: Sequence[float]) -> float:
    """Degrees of freedom behind a smoothed variance: those of one point, and more the less its neighbours follow it.

    Satterthwaite, 1946.
    """
    size = len(follows)
    lags = np.abs(np.arange(size)[:, None] - np.arange(size))
    return float((n_runs - 1) * size**2 / (np.array(follows)[lags] ** 2).sum())


def at_every_look(n: int, follows: float, freedom: float, confidence: float) -> float:
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


def _further(side: Floats, whole: Floats) -> Floats:
    return np.sqrt(np.maximum(np.divide(side, whole, out=np.ones_like(side), where=whole > 0), 1.0))
