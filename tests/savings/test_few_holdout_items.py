"""A project as good as random is told of a difference in 5 of 100 cases at most, however few items its class has."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from querist.stages.evaluation.bounded import Bounded
from querist.stages.evaluation.metrics import items_behind, macro_f1
from querist.stages.evaluation.savings import Baseline, band, judge

LABELS = 25.0 * np.arange(1, 21)
COMMON, RARE = 171, 9


def following(rng, shape, *, by):
    """(..., n_points) standard normal, each point following the one before."""
    off = rng.normal(size=shape)
    for point in range(1, shape[-1]):
        off[..., point] = by * off[..., point - 1] + np.sqrt(1 - by**2) * off[..., point]
    return off


def confusions(rng, n_runs, *, labels=LABELS):
    """(n_runs, n_points, 2, 2): items of one holdout, each as hard as it is for all runs, and right once a run's
    strength and its luck with the item come to that. Of few labels some runs have hardly any of the rare class."""
    easy = np.concatenate([rng.normal(3.0, 1.0, COMMON), rng.normal(-1.0, 1.0, RARE)])
    is_rare = np.arange(COMMON + RARE) >= COMMON
    seen = np.cumsum(rng.poisson(0.05 * np.diff(labels, prepend=0), (n_runs, len(labels))), axis=1) + 1
    strength = np.log(seen)[:, None] * is_rare[:, None] + 0.3 * following(rng, (n_runs, 1, len(labels)), by=0.8)
    right = easy[:, None] + strength + following(rng, (n_runs, COMMON + RARE, len(labels)), by=0.9) > 0
    rare, common = right[:, COMMON:].sum(axis=1), right[:, :COMMON].sum(axis=1)
    return np.stack([np.stack([common, COMMON - common], -1), np.stack([RARE - rare, rare], -1)], -2)


@pytest.mark.parametrize("n_runs", [3, 10])
def test_random_against_random_is_told_of_a_difference_in_5_of_100_cases_at_most(n_runs):
    """By all items and their plain step, macro-F1 was told so in 13 (3 runs) and 18 (10 runs) of 100."""
    rng, wrong, trials = np.random.default_rng([6, n_runs]), 0, 80
    scale = Bounded(0, 1, items_behind("macro_f1", np.repeat([0, 1], [COMMON, RARE]), ["common", "rare"]))
    for _ in range(trials):
        curves = macro_f1(confusions(rng, n_runs + 1))
        random = band(Baseline(LABELS, curves[:-1], LABELS[-1], bounded=scale))
        told = {judge(random, value, labels).kind for value, labels in zip(curves[-1], LABELS, strict=True)}
        wrong += bool(told & {"saved", "lost"})
    assert binomtest(wrong, trials, 0.05, alternative="greater").pvalue > 0.05, wrong
