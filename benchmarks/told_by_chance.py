"""How often a project that samples at random is told of labels saved or lost at any of 20 rounds.

And how often one that needs half, or a quarter, of the labels is told that it saves them.

Real runs: logistic regression on random draws of a set's items, measured on one holdout a split. Each run is held
against others of its split. The runs of a split share its luck: "to" is the upper end of the 95 % interval of the mean
over splits. A run at twice its labels stands for a strategy that needs half of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from table import Row, print_table

from querist.core.types import Codes, Indices
from querist.stages.evaluation.bounded import Bounded
from querist.stages.evaluation.metrics import bounds, items_behind, measure
from querist.stages.evaluation.savings import Band, Baseline, band, judge

Floats = NDArray[np.float64]
ROUNDS, RUNS, REPEATS = 20, 22, (3, 5, 10)
RARE = "1"


class Set(NamedTuple):
    """Items of each class in the holdout and in the pool; labels a round."""

    source: str
    holdout: tuple[int, ...]
    pool: tuple[int, ...]
    step: int
    seed: str = "balanced"


SETS = {
    "even": Set("breast_cancer", (119, 71), (238, 141), 8),
    "rare30": Set("breast_cancer", (150, 30), (207, 60), 8),
    "rare9": Set("breast_cancer", (171, 9), (186, 18), 8),
    "digits9": Set("digits", (9,) * 10, (120,) * 10, 20),
    "digits45": Set("digits", (45,) * 10, (120,) * 10, 20),
    "drawn30": Set("made", (570, 30), (4_800, 240), 25, "random"),
    "drawn9": Set("made", (171, 9), (4_800, 240), 25, "random"),
}
"""In the last two the rare class is 5 % of all items, and the first labels have one of it at least."""


class Split(NamedTuple):
    """`curves` (n_metrics, n_runs, n_rounds) at `labels` (n_rounds,), each resting on (n_metrics,) `items`."""

    labels: Floats
    curves: Floats
    items: list[float]


def rows(names: Sequence[str], splits: int, trials: int) -> Iterator[Row]:
    for name in names:
        metrics = ["accuracy", "macro_f1", f"recall:{RARE}", f"f1:{RARE}"]
        found = [runs_of(SETS[name], metrics, np.random.default_rng([number, 0])) for number in range(splits)]
        for at, metric in enumerate(metrics):
            for repeats in REPEATS:
                rng = np.random.default_rng([repeats, 1])
                said = np.array([told(split, at, metric, repeats, trials, rng) for split in found])
                mean, half = said[:, 0].mean(), 1.96 * said[:, 0].std(ddof=1) / sqrt(splits)
                planted = f"planted 2x, 4x found {said[:, 1].mean():.0%}, {said[:, 2].mean():.0%}"
                yield Row(f"{name}, {metric}, {repeats} runs", f"{mean:.1%} (to {mean + half:.1%}); {planted}", "5%")


def told(split: Split, at: int, metric: str, repeats: int, trials: int, rng: np.random.Generator) -> Floats:
    """(3,) shares of the trials: told of a difference that is none, and of savings twice and four times planted."""
    labels, curves = split.labels, split.curves[at]
    scale = Bounded(*bounds(metric), split.items[at])
    counts = np.zeros(3)
    for _ in range(trials):
        drawn = rng.permutation(len(curves))[: repeats + 1]
        random = band(Baseline(labels, curves[drawn[1:]], labels[-1], bounded=scale))
        one = curves[drawn[0]]
        counts[0] += bool(kinds(random, one, labels) & {"saved", "lost"})
        for place, times in ((1, 2), (2, 4)):
            ahead = labels[labels * times <= labels[-1]]
            counts[place] += "saved" in kinds(random, np.interp(times * ahead, labels, one), ahead)
    return counts / trials


def kinds(random: Band, values: Floats, labels: Floats) -> set[str]:
    return {judge(random, float(value), float(n)).kind for value, n in zip(values, labels, strict=True)}


def runs_of(one: Set, metrics: Sequence[str], rng: np.random.Generator) -> Split:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    X, y = items_of(one, rng)
    test, pool, names = [], [], [str(c) for c in range(len(one.holdout))]
    for c, (n_test, n_pool) in enumerate(zip(one.holdout, one.pool, strict=True)):
        own = rng.permutation(np.flatnonzero(y == c))
        test += own[:n_test].tolist()
        pool += own[n_test : n_test + n_pool].tolist()
    X = StandardScaler().fit(X[pool]).transform(X)
    labels = np.minimum(one.step * np.arange(1, ROUNDS + 1), len(pool))
    curves = np.empty((len(metrics), RUNS, ROUNDS))
    for run in range(RUNS):
        order = drawn_at_random(np.array(pool), y, one, rng)
        for number, n in enumerate(labels):
            model = LogisticRegression(max_iter=60, tol=1e-3).fit(X[order[:n]], y[order[:n]])
            proba = model.predict_proba(X[test])
            curves[:, run, number] = [measure(name, y[test], proba, names) for name in metrics]
    return Split(labels.astype(float), curves, [items_behind(name, y[test], names) for name in metrics])


def items_of(one: Set, rng: np.random.Generator) -> tuple[Floats, Codes]:
    from sklearn import datasets

    if one.source == "made":
        return datasets.make_classification(
            6_500,
            n_informative=8,
            n_clusters_per_class=1,
            weights=[0.945],
            class_sep=1.6,
            flip_y=0.01,
            random_state=int(rng.integers(2**31)),
        )
    X, y = getattr(datasets, f"load_{one.source}")(return_X_y=True)
    return X, (1 - y if one.source == "breast_cancer" else y)  # class 1, malignant, is the rarer one


def drawn_at_random(pool: Indices, y: Codes, one: Set, rng: np.random.Generator) -> Indices:
    """The pool in random order, behind a seed set of one round: even in its classes, or with one of each at least."""
    order = rng.permutation(pool)
    each = max(one.step // len(one.pool), 1) if one.seed == "balanced" else 1
    first = np.concatenate([order[y[order] == c][:each] for c in range(len(one.pool))])
    return np.concatenate([first, order[~np.isin(order, first)]])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(SETS), metavar="NAME", help=f"of {', '.join(SETS)}")
    parser.add_argument("--splits", type=int, default=30)
    parser.add_argument("--trials", type=int, default=12, help="of each split")
    print_table(rows(**vars(parser.parse_args())))
