"""How far two samples lie apart. Pure, symmetric in nothing, larger means more drift.

Distributions are counts (..., n_bins) that broadcast over leading axes; HALF a pseudo-count stands in each bin.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.types import Embeddings

Counts = NDArray[np.floating[Any]]
Values = NDArray[np.float64]
Rows = NDArray[np.floating[Any]]
"""(n_items, n_dims)."""
HALF = 0.5
BLOCK_ROWS = 1_024


def kl(reference: Counts, window: Counts) -> Values:
    """KL(window || reference) in nats, 0 or more: how surprising the window is to who expects the reference.

    Kullback and Leibler, 1951. O(n_bins).
    """
    p, q = _shares(reference), _shares(window)
    return np.asarray((q * np.log(q / p)).sum(axis=-1))


def jensen_shannon(reference: Counts, window: Counts) -> Values:
    """Jensen-Shannon divergence in bits, 0 to 1. Lin, 1991. O(n_bins)."""
    p, q = _shares(reference), _shares(window)
    m = (p + q) / 2
    return np.asarray((p * np.log2(p / m) + q * np.log2(q / m)).sum(axis=-1) / 2)


def psi(reference: Counts, window: Counts) -> Values:
    """Population stability index, both Kullback-Leibler divergences together. Siddiqi, 2006. O(n_bins)."""
    p, q = _shares(reference), _shares(window)
    return np.asarray(((q - p) * np.log(q / p)).sum(axis=-1))


def chi_squared(reference: Counts, window: Counts) -> Values:
    """Pearson's statistic of the table of both samples; bins that are empty in both do not count. 1900. O(n_bins)."""
    both = reference + window
    n, m = reference.sum(axis=-1, keepdims=True), window.sum(axis=-1, keepdims=True)
    found = np.zeros(np.broadcast_shapes(reference.shape[:-1], window.shape[:-1]))
    for counts, size in ((reference, n), (window, m)):
        expected = both * size / (n + m)
        found += np.divide((counts - expected) ** 2, expected, out=np.zeros_like(expected), where=both > 0).sum(-1)
    return found


def kolmogorov_smirnov(reference: NDArray[np.floating[Any]], window: NDArray[np.floating[Any]]) -> float:
    """Largest difference of the two distribution functions, 0 to 1, of numbers (n,) and (m,). Smirnov, 1939.

    O((n + m) log(n + m)).
    """
    reference, window = np.sort(reference), np.sort(window)
    at = np.concatenate([reference, window])
    below = np.searchsorted(reference, at, "right") / len(reference)
    return float(np.abs(below - np.searchsorted(window, at, "right") / len(window)).max())


def median_gamma(rows: Rows, rng: np.random.Generator, *, sample: int = 1_000) -> float:
    """1 / the median squared distance of a sample's pairs: the usual width of a Gaussian kernel. Gretton et al., 2012.

    1 where the rows do not differ. O(sample^2 d).
    """
    some = rows[rng.choice(len(rows), min(sample, len(rows)), replace=False)].astype(np.float64)
    squared = _squared(some, some)[np.triu_indices(len(some), 1)]
    middle = float(np.median(squared)) if len(squared) else 0.0
    return 1.0 / middle if middle > 0 else 1.0


def mmd2(reference: Rows, window: Rows, gamma: float) -> float:
    """Squared maximum mean discrepancy, unbiased, kernel exp(-gamma |x - y|^2); about 0, or below, without drift.

    Gretton et al., A Kernel Two-Sample Test, 2012. O((n + m)^2 d), in blocks of BLOCK_ROWS rows.
    """
    n, m = len(reference), len(window)
    within = (_kernel_sum(x, x, gamma) - len(x) for x in (reference, window))
    first, second = (total / (size * (size - 1)) for total, size in zip(within, (n, m), strict=True))
    return float(first + second - 2 * _kernel_sum(reference, window, gamma) / (n * m))


def random_features(n_dims: int, gamma: float, rng: np.random.Generator, *, frequencies: int = 256) -> Embeddings:
    """(n_dims, frequencies) such that the products of `fourier` features are the kernel exp(-gamma |x - y|^2).

    Rahimi and Recht, Random Features for Large-Scale Kernel Machines, 2007.
    """
    return rng.normal(0.0, np.sqrt(2 * gamma), (n_dims, frequencies)).astype(np.float32)


def fourier(rows: Rows, frequencies: Embeddings) -> Embeddings:
    """(n, 2 n_frequencies) features of length 1. O(n d n_frequencies)."""
    angles = rows.astype(np.float32) @ frequencies
    found: Embeddings = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) / np.sqrt(frequencies.shape[1])
    return found.astype(np.float32)


def mmd2_of_means(reference: Values, window: Values, n: int, m: int) -> Values:
    """`mmd2` in linear time, from the means (..., n_features) of features of length 1. Zhao and Meng, FastMMD, 2015."""
    first = (n * (reference**2).sum(axis=-1) - 1) / max(n - 1, 1)
    second = (m * (window**2).sum(axis=-1) - 1) / max(m - 1, 1)
    return np.asarray(first + second - 2 * (reference * window).sum(axis=-1))


def _shares(counts: Counts) -> Values:
    smooth = np.asarray(counts, dtype=np.float64) + HALF
    return np.asarray(smooth / smooth.sum(axis=-1, keepdims=True))


def _kernel_sum(x: Rows, y: Rows, gamma: float) -> float:
    return sum(float(np.exp(-gamma * _squared(a, b)).sum()) for a in _blocks(x) for b in _blocks(y))


def _blocks(rows: Rows) -> Iterator[NDArray[np.float64]]:
    for start in range(0, len(rows), BLOCK_ROWS):
        yield rows[start : start + BLOCK_ROWS].astype(np.float64)


def _squared(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    found = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * x @ y.T
    return np.asarray(np.maximum(found, 0))
