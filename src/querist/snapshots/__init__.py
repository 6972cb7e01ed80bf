"""Snapshots: immutable, content-addressed Parquet shards and the manifests that list them."""

from querist.snapshots.folder import location
from querist.snapshots.manifest import POOL, SPLITS, TEST, VALIDATION, Manifest, Shard
from querist.snapshots.snapshot import Snapshot
from querist.snapshots.writer import ShardWriter, write_manifest

__all__ = [
    "POOL",
    "SPLITS",
    "TEST",
    "VALIDATION",
    "Manifest",
    "Shard",
    "ShardWriter",
    "Snapshot",
    "location",
    "write_manifest",
]
