"""What a person needs to see of an item, taken from its shard once, when it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from querist.core.types import Indices
from querist.snapshots.snapshot import Snapshot
from querist.store.artifacts import Artifacts


def payloads(snapshot: Snapshot, positions: Indices) -> list[tuple[str, dict[str, Any]]]:
    """(item id, payload) in the order of `positions`; an image is its bytes until `keep_image`."""
    shown = []
    wanted = [name for name in snapshot.columns() if name in ("id", "text", "image") or name[:2] in ("x.", "c.")]
    for row in snapshot.take(positions, wanted, hold=True).to_pylist():
        payload: dict[str, Any] = {}
        for column, value in row.items():
            if column in ("image", "text"):
                payload[column] = value
            elif column.startswith("x."):
                payload.setdefault("columns", {})[column[2:]] = None if value != value else value  # JSON has no NaN
            elif column.startswith("c."):
                payload.setdefault("context", {})[column[2:]] = value
        shown.append((row["id"], payload))
    return shown


def keep_image(payload: Mapping[str, Any], artifacts: Artifacts) -> dict[str, Any]:
    """The payload with its image, if it has one, stored as an artifact and named by its hash."""
    return {**payload, "image": artifacts.put(payload["image"])} if "image" in payload else dict(payload)
