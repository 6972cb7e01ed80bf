"""What a person sees of an item, out of what the record keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def seen_of(payload: Mapping[str, Any]) -> dict[str, Any]:
    """text, image (its path on the server), columns and context; None or empty where there is no such part."""
    image = payload.get("image")
    return {
        "text": payload.get("text"),
        "image": None if image is None else f"/images/{image}",
        "columns": dict(payload.get("columns", {})),
        "context": dict(payload.get("context", {})),
    }
