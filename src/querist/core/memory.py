"""What strategies found out about the pool in earlier rounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEY = "key"


class Memory:
    """Arrays under a name, each with the key of what it was made from; under another key nothing is recalled.

    Arrays are replaced, never changed, so that a copy taken before a round stays what it was.
    """

    def __init__(self, kept: Mapping[str, NDArray[Any]] | None = None) -> None:
        self._kept: dict[str, NDArray[Any]] = dict(kept or {})

    def recall(self, name: str, key: str) -> dict[str, NDArray[Any]] | None:
        """The arrays kept under `name`, or None unless they were kept under this very key."""
        found = dict(self._of(name))
        if KEY not in found or str(found.pop(KEY)) != key:
            return None
        return found

    def keep(self, name: str, key: str, **arrays: NDArray[Any]) -> None:
        """Replaces what was kept under `name`."""
        for field, _ in self._of(name):
            del self._kept[f"{name}/{field}"]
        self._kept |= {f"{name}/{field}": values for field, values in arrays.items()} | {f"{name}/{KEY}": np.array(key)}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything kept, for an artifact; `Memory(arrays)` takes it up again."""
        return dict(self._kept)

    def copy(self) -> Memory:
        return Memory(self._kept)

    def _of(self, name: str) -> list[tuple[str, NDArray[Any]]]:
        start = f"{name}/"
        return [(full[len(start) :], values) for full, values in self._kept.items() if full.startswith(start)]
