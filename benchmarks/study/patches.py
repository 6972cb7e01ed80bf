"""Features of small photos without a network: how near their patches lie to learned ones. Coates, Lee and Ng, 2011."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.selection import stream

SIDE, CENTRES, LEARN_FROM = 6, 200, 100_000
CONTRAST, WHITENING = 10.0, 0.1
"""Regularisers of the paper's normalisation and whitening, for pixels from 0 to 255."""


def encode_patches(images: NDArray[Any], n_pool: int) -> NDArray[np.float32]:
    """(n, height, width, 3) images -> (n, 4 * CENTRES), standardised, then rows of unit length.

    Whitened patches, k-means, "triangle" activation, summed over the quarters of the image; learned from the first
    `n_pool` images.
    """
    from sklearn.cluster import MiniBatchKMeans

    images = images.astype(np.float32)
    rng = stream(0, "encoder")
    some = np.concatenate([patches(images[i]).reshape(-1, SIDE * SIDE * 3) for i in range(0, n_pool, 5)])
    some = some[rng.choice(len(some), LEARN_FROM, replace=False)]
    mean = some.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(some - mean, rowvar=False))
    whiten = (vectors / np.sqrt(values + WHITENING)) @ vectors.T
    model = MiniBatchKMeans(CENTRES, n_init=1, batch_size=4096, random_state=0).fit((some - mean) @ whiten)
    X = np.stack([_pooled((patches(image) - mean) @ whiten, model.cluster_centers_) for image in images])
    X = (X - X[:n_pool].mean(axis=0)) / X[:n_pool].std(axis=0)
    unit: NDArray[np.float32] = (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32)
    return unit


def patches(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """(places, places, SIDE * SIDE * 3), each patch with mean 0 and deviation about 1."""
    views = np.lib.stride_tricks.sliding_window_view(image, (SIDE, SIDE), axis=(0, 1))
    flat = views.reshape(*views.shape[:2], -1)
    flat = flat - flat.mean(axis=-1, keepdims=True)
    found: NDArray[np.float32] = flat / np.sqrt(flat.var(axis=-1, keepdims=True) + CONTRAST)
    return found


def _pooled(at: NDArray[Any], centres: NDArray[Any]) -> NDArray[Any]:
    """(4 * CENTRES,) how much nearer than on average each centre is, summed over the four quarters."""
    squares = (at * at).sum(-1, keepdims=True) + (centres * centres).sum(-1) - 2 * at @ centres.T
    far = np.sqrt(np.maximum(squares, 0))
    near = np.maximum(far.mean(axis=-1, keepdims=True) - far, 0)
    half = len(near) // 2
    halves = (slice(half), slice(half, None))
    return np.concatenate([near[rows, columns].sum(axis=(0, 1)) for rows in halves for columns in halves])
