"""Stable names for content: the same on every machine, never from a pickle or from Python's own hash()."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def canonical(value: Any) -> bytes:  # Any: whatever JSON can hold
    """JSON with sorted keys and no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def key_of(*parts: object) -> str:
    """SHA-256 over arrays (dtype, shape, bytes), bytes, and JSON values, in order."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            head, body = f"{part.dtype.str}{part.shape}".encode(), np.ascontiguousarray(part).tobytes()
        elif isinstance(part, bytes):
            head, body = b"bytes", part
        else:
            head, body = b"json", canonical(part)
        digest.update(b"%d:%s%d:" % (len(head), head, len(body)))
        digest.update(body)
    return digest.hexdigest()


def key64(data: bytes) -> int:
    """A 64-bit key, for group and duplicate search."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def unit_interval(keys: NDArray[np.uint64]) -> NDArray[np.float64]:
    """64-bit keys to numbers spread evenly over [0, 1), after one more mixing (splitmix64)."""
    z = keys + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / float(1 << 53)


def unit_hash(name: str) -> float:
    """A number in [0, 1) that depends on the name alone."""
    return float(unit_interval(np.array([key64(name.encode())], dtype=np.uint64))[0])
