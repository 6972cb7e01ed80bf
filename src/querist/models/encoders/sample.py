"""Blocks of items: their length, and a random sample of a stream of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from querist.core.protocols import Items


def n_rows(items: Items) -> int:
    return len(next(iter(items.values()), ()))


def sample(blocks: Iterable[Items], size: int, rng: np.random.Generator) -> dict[str, list[Any]]:
    """Up to `size` items drawn evenly from the whole stream, in its order; holds one block and the sample in memory."""
    keys = np.empty(0)
    kept: dict[str, list[Any]] = {}
    for block in blocks:
        joined = np.concatenate([keys, rng.random(n_rows(block))])
        chosen = np.arange(len(joined))
        if len(joined) > size:
            chosen = np.sort(np.argpartition(joined, size)[:size])
        n_old, keys = len(keys), joined[chosen]
        kept = {
            name: [kept[name][i] if i < n_old else values[i - n_old] for i in chosen.tolist()]
            for name, values in block.items()
        }
    return kept
