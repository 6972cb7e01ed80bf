"""Learning curves that are known: a power law, with noise that follows itself, and a baseline without any."""

from __future__ import annotations

import numpy as np

from querist.stages.evaluation.savings import Baseline

LABELS = 50.0 * np.arange(1, 21)


def power_law(labels, a=0.9, d=0.3, c=0.6):
    return a - d * (np.asarray(labels) / 50) ** -c


def runs(rng, n_runs, *, noise=0.01, follow=0.7, curve=power_law):
    """Curves whose noise follows that of the point before, as those of growing training sets do."""
    off = rng.normal(size=(n_runs, len(LABELS)))
    for point in range(1, len(LABELS)):
        off[:, point] = follow * off[:, point - 1] + np.sqrt(1 - follow**2) * off[:, point]
    return curve(LABELS) + noise * off


def exact(curve, n_runs=3):
    return Baseline(LABELS, np.tile(curve, (n_runs, 1)), LABELS[-1])
