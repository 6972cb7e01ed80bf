"""What a snapshot is made of, and the id that follows from it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any

from querist.core.errors import SnapshotCorrupt
from querist.core.hashing import canonical, sha256

FORMAT = 1
SPLITS = ("pool", "validation", "test")
POOL, VALIDATION, TEST = 0, 1, 2

Json = dict[str, Any]  # Any: whatever JSON can hold


@dataclass(frozen=True)
class Shard:
    """One Parquet object; `start` is the position of its first row in the snapshot."""

    sha256: str
    rows: int
    bytes: int
    start: int

    def __post_init__(self) -> None:
        """A manifest comes from outside: its names become paths, its numbers positions."""
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(f"{self.sha256!r} is no SHA-256")
        if not all(type(n) is int and n >= 0 for n in (self.rows, self.bytes, self.start)):
            raise ValueError(f"rows, bytes and start of shard {self.sha256[:8]} must be whole numbers")

    @property
    def name(self) -> str:
        return f"objects/{self.sha256[:2]}/{self.sha256[2:]}.parquet"


@dataclass(frozen=True)
class Manifest:
    """Everything about a snapshot but its rows. `root` is the oldest ancestor, None for a root itself."""

    parent: str | None
    root: str | None
    n_root_shards: int
    kind: str
    schema: dict[str, str]
    shards: tuple[Shard, ...]
    classes: tuple[str, ...]
    preprocessing: list[Json]
    splits: Json
    counts: Json
    source: str
    created_at: str

    @property
    def id(self) -> str:
        """Hash of what defines the content: not of source, time or counts."""
        identity = {
            "format": FORMAT,
            "parent": self.parent,
            "kind": self.kind,
            "schema": list(self.schema.items()),
            "shards": [shard.sha256 for shard in self.shards],
            "classes": self.classes,
            "preprocessing": self.preprocessing,
            "splits": self.splits,
        }
        return sha256(canonical(identity))[:16]

    @property
    def n_items(self) -> int:
        return sum(shard.rows for shard in self.shards)


def manifest_name(id: str) -> str:
    return f"manifests/{id}.json"


def to_json(manifest: Manifest) -> bytes:
    values = {"format": FORMAT, "id": manifest.id, **asdict(manifest)}
    return json.dumps({**values, "checksum": _checksum(values)}, indent=1, ensure_ascii=False).encode() + b"\n"


def from_json(data: bytes, name: str) -> Manifest:
    """Raises SnapshotCorrupt when the bytes are no manifest of this format."""
    try:
        values = json.loads(data)
        if values["format"] != FORMAT:
            raise SnapshotCorrupt(
                f"{name} has format {values['format']!r}, this querist reads {FORMAT}; update querist"
            )
        fields = {key: values[key] for key in Manifest.__dataclass_fields__}
        fields["shards"] = tuple(Shard(**shard) for shard in fields["shards"])
        fields["classes"] = tuple(fields["classes"])
        return Manifest(**fields)
    except (ValueError, KeyError, TypeError) as error:
        raise SnapshotCorrupt(f"{name} is no readable manifest ({error}); restore it from a backup or git") from None


def is_unchanged(data: bytes) -> bool:
    """Whether the manifest still matches its own checksum and id."""
    values = json.loads(data)
    checksum = values.pop("checksum", None)
    return bool(checksum == _checksum(values) and values["id"] == from_json(data, "manifest").id)


def _checksum(values: Json) -> str:
    return sha256(canonical(values))
