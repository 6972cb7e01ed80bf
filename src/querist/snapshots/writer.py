"""Writes shards under their hash, and at the very end the manifest that makes them a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from querist.core.hashing import sha256
from querist.snapshots.folder import Folder
from querist.snapshots.manifest import Manifest, Shard, manifest_name, to_json

if TYPE_CHECKING:
    import pyarrow as pa

SHARD_ROWS = 50_000
SHARD_BYTES = 64 << 20
ROW_GROUP_ROWS = 1_000  # what `Snapshot.take` must decode for one row
DISTINCT = {"id", "content", "group", "text", "image"}


class ShardWriter:
    """Cuts a stream of tables into shards of at most `shard_rows` rows or about `shard_bytes` bytes."""

    def __init__(
        self, folder: Folder, *, start: int = 0, shard_rows: int = SHARD_ROWS, shard_bytes: int = SHARD_BYTES
    ) -> None:
        self._folder = folder
        self._shard_rows, self._shard_bytes = shard_rows, shard_bytes
        self._waiting: list[pa.Table] = []
        self._rows = self._bytes = 0
        self._start = start
        self._shards: list[Shard] = []

    def add(self, table: pa.Table) -> None:
        while table.num_rows:
            part = table.slice(0, self._shard_rows - self._rows)
            table = table.slice(part.num_rows)
            self._waiting.append(part)
            self._rows += part.num_rows
            self._bytes += part.nbytes
            if self._rows == self._shard_rows or self._bytes >= self._shard_bytes:
                self._flush()

    def close(self) -> tuple[Shard, ...]:
        """The shards written, in order."""
        if self._rows:
            self._flush()
        return tuple(self._shards)

    def _flush(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        table = pa.concat_tables(self._waiting).combine_chunks()
        # Each round reads the items it asks from everywhere: LZ4 decodes in half the time of Zstandard for a third more
        # bytes, and a dictionary of values that hardly repeat only costs.
        repeating = [name for name in table.column_names if name not in DISTINCT]
        pq.write_table(table, sink, compression="lz4", use_dictionary=repeating, row_group_size=ROW_GROUP_ROWS)
        data = sink.getvalue().to_pybytes()
        shard = Shard(sha256(data), table.num_rows, len(data), self._start)
        if not self._folder.exists(shard.name):
            self._folder.write(shard.name, data)
        self._shards.append(shard)
        self._start += table.num_rows
        self._waiting, self._rows, self._bytes = [], 0, 0


def write_manifest(folder: Folder, manifest: Manifest) -> None:
    """Publishes the snapshot; one that is there already stays as it is."""
    name = manifest_name(manifest.id)
    if not folder.exists(name):
        folder.write(name, to_json(manifest))
