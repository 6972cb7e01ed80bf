"""The tests of drift by name. Each looks at an item as a row of features, and compares the means of two samples.

That form lets thousands of windows be drawn from the reference at the cost of one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.label_sets import predicted
from querist.core.selection import stream
from querist.plugins import available, find
from querist.stages.monitoring import statistics
from querist.stages.monitoring.said import entropy, mean_entropy
from querist.stages.monitoring.sample import Column, Sample

BINS = 10
STEPS = 128
"""Points at which distribution functions are compared: quantiles of the reference."""
MOST_WORDS = 50
"""Values of a categorical column that are told apart; the rarer ones count together."""
DEFAULT = ("kl_classes", "kl_entropy", "mmd")
"""Together they see what each alone misses."""

Features = NDArray[np.float32]
Compare = Callable[[NDArray[np.float64], NDArray[np.float64], int, int], NDArray[np.float64]]
"""(means of the reference, means of the window, n, m): means (..., n_features) to statistics (...)."""


@dataclass(frozen=True)
class View:
    """`features` gives (n_items, n_features) of a sample, as learned from the reference; `says` is for people."""

    features: Callable[[Sample], Features]
    compare: Compare
    says: str


def views(reference: Sample, names: tuple[str, ...] | None = None) -> dict[str, View]:
    """The tests of these names (default: all) for which the reference holds what they need. Raises UnknownName."""
    made = {name: find("drift", name)(reference) for name in (available("drift") if names is None else names)}
    return {name: view for name, view in made.items() if view is not None}


def kl_classes(reference: Sample) -> View:
    """Kullback-Leibler divergence of the predicted classes."""
    return _of_classes(reference, statistics.kl)


def js_classes(reference: Sample) -> View:
    """Jensen-Shannon divergence of the predicted classes."""
    return _of_classes(reference, statistics.jensen_shannon)


def psi_classes(reference: Sample) -> View:
    """Population stability index of the predicted classes."""
    return _of_classes(reference, statistics.psi)


def chi2_classes(reference: Sample) -> View:
    """Chi-squared statistic of the predicted classes."""
    return _of_classes(reference, statistics.chi_squared)


def kl_entropy(reference: Sample) -> View:
    """Kullback-Leibler divergence of how unsure the model is, in ten bins."""
    return _of_entropy(reference, statistics.kl)


def js_entropy(reference: Sample) -> View:
    """Jensen-Shannon divergence of how unsure the model is, in ten bins."""
    return _of_entropy(reference, statistics.jensen_shannon)


def psi_entropy(reference: Sample) -> View:
    """Population stability index of how unsure the model is, in ten bins."""
    return _of_entropy(reference, statistics.psi)


def ks_entropy(reference: Sample) -> View:
    """Kolmogorov-Smirnov statistic of how unsure the model is."""
    cuts = _cuts(_unsure(reference))
    return View(lambda sample: _below(_unsure(sample), cuts), _largest, "how unsure the model is")


def ks_lengths(reference: Sample) -> View | None:
    """Kolmogorov-Smirnov statistic of the lengths in characters."""
    if reference.lengths is None:
        return None
    cuts = _cuts(reference.lengths)

    def features(sample: Sample) -> Features:
        assert sample.lengths is not None  # a window has what its reference has
        return _below(sample.lengths, cuts)

    return View(features, _largest, "lengths of the items")


def unseen_words(reference: Sample) -> View | None:
    """Rise of the share of words that the reference lacks."""
    if reference.unseen is None:
        return None

    def features(sample: Sample) -> Features:
        assert sample.unseen is not None  # a window has what its reference has
        return sample.unseen[:, None].astype(np.float32)

    return View(features, lambda r, w, n, m: (w - r)[..., 0], "share of words never seen before")


def mmd(reference: Sample) -> View | None:
    """Squared maximum mean discrepancy of the embeddings, by random Fourier features."""
    if not reference.embeddings.shape[1]:
        return None
    rng = stream(0, "mmd")
    gamma = statistics.median_gamma(reference.embeddings, rng)
    frequencies = statistics.random_features(reference.embeddings.shape[1], gamma, rng)
    return View(
        lambda sample: statistics.fourier(sample.embeddings, frequencies),
        statistics.mmd2_of_means,
        "what the items are about (embeddings)",
    )


def columns(reference: Sample) -> View | None:
    """Largest Kolmogorov-Smirnov statistic over all columns; of words, the largest change of a share."""
    if not reference.columns:
        return None
    made = {name: column_features(values) for name, values in reference.columns.items()}

    def features(sample: Sample) -> Features:
        return np.concatenate([of(sample.columns[name]) for name, of in made.items()], axis=1)

    return View(features, _largest, "values of the columns")


def column_features(reference: Column) -> Callable[[Column], Features]:
    """Features whose means differ by at most the column's own Kolmogorov-Smirnov statistic; missing is a step too."""
    if reference.dtype.kind != "f":
        known, counts = np.unique(reference, return_counts=True)
        kept = np.sort(known[np.argsort(-counts, kind="stable")[:MOST_WORDS]])
        return lambda values: np.column_stack([values[:, None] == kept, ~np.isin(values, kept)]).astype(np.float32)
    numbers = reference.astype(np.float64)
    there = numbers[~np.isnan(numbers)]
    cuts = _cuts(there) if len(there) else np.zeros(1)

    def features(values: Column) -> Features:
        return np.column_stack([_below(values, cuts), np.isnan(values)]).astype(np.float32)

    return features


def _of_classes(reference: Sample, compare: Callable[..., Any]) -> View:
    if reference.several:
        return View(lambda sample: predicted(sample.proba).astype(np.float32), _of_labels(compare), "predicted labels")
    n_classes = reference.proba.shape[1]

    def features(sample: Sample) -> Features:
        return np.asarray(np.eye(n_classes, dtype=np.float32)[sample.proba.argmax(axis=1)])

    return View(features, _of_counts(compare), "predicted classes")


def _of_entropy(reference: Sample, compare: Callable[..., Any]) -> View:
    edges = np.unique(np.quantile(_unsure(reference), np.linspace(0, 1, BINS + 1)[1:-1]))

    def features(sample: Sample) -> Features:
        return np.asarray(np.eye(len(edges) + 1, dtype=np.float32)[np.searchsorted(edges, _unsure(sample))])

    return View(features, _of_counts(compare), "how unsure the model is")


def _of_counts(compare: Callable[..., Any]) -> Compare:
    return lambda r, w, n, m: np.asarray(compare(r * n, w * m))


def _of_labels(compare: Callable[..., Any]) -> Compare:
    """The sum over labels, each of which an item has or has not."""

    def with_and_without(shares: NDArray[np.float64], size: int) -> NDArray[np.float64]:
        return np.stack([shares, 1 - shares], axis=-1) * size

    return lambda r, w, n, m: np.asarray(compare(with_and_without(r, n), with_and_without(w, m)).sum(axis=-1))


def _unsure(sample: Sample) -> NDArray[np.float64]:
    return mean_entropy(sample.proba) if sample.several else entropy(sample.proba)


def _largest(reference: NDArray[np.float64], window: NDArray[np.float64], n: int, m: int) -> NDArray[np.float64]:
    return np.asarray(np.abs(reference - window).max(axis=-1))


def _cuts(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    return np.unique(np.quantile(values, np.linspace(0, 1, STEPS + 1)))


def _below(values: NDArray[Any], cuts: NDArray[np.float64]) -> Features:
    return (values[:, None] <= cuts).astype(np.float32)
