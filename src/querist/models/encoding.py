"""Encoding a snapshot: the encoder is fitted once, each shard encoded once; both are kept on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.hashing import key_of
from querist.core.protocols import Encoder, Items
from querist.core.selection import stream
from querist.models.encoders.make import make_encoder
from querist.models.matrices import OnDisk, load_arrays, save_arrays, stack, sweep
from querist.snapshots.snapshot import POOL, Shard, Snapshot

FORMAT = 1
BLOCK_ROWS = 8_192
WORTH_A_PROCESS = 20_000
"""Items below which starting worker processes costs more than it saves."""

Progress = Callable[[str, int, int | None], None]


def folder_of(cache: Path, encoder: Encoder, *, name: str, params: Mapping[str, Any], seed: int, root_id: str) -> Path:
    """Where features live: the name of all they depend on besides the shard."""
    version, identity = getattr(encoder, "VERSION", 0), getattr(encoder, "identity", "")
    return cache / key_of(FORMAT, name, version, identity, dict(params), seed, root_id)[:32]


def fit_encoder(
    name: str, params: Mapping[str, Any], snapshot: Snapshot, *, cache: Path, seed: int
) -> tuple[Encoder, Path]:
    """The encoder fitted on the root snapshot's pool, and the folder of its features."""
    encoder = make_encoder(name, params)
    folder = folder_of(cache, encoder, name=name, params=params, seed=seed, root_id=snapshot.root_id)
    path = folder / "encoder.npz"
    if path.exists():
        return encoder.restore(load_arrays(path)), folder
    encoder.fit(_pool_blocks(snapshot), rng=stream(seed, "encoder"))
    save_arrays(path, encoder.state())
    return encoder, folder


def root_pool(snapshot: Snapshot) -> NDArray[np.bool_]:
    """(n_items,) the items that encoders and projections may learn from: pool, primary, of the root snapshot."""
    may: NDArray[np.bool_] = (snapshot.splits() == POOL) & snapshot.primary()
    root = snapshot.shards[: snapshot.n_root_shards]
    may[root[-1].start + root[-1].rows if root else 0 :] = False
    return may


def encode_shards(
    snapshot: Snapshot, encoder: Encoder, folder: Path, *, jobs: int | None, progress: Progress | None
) -> list[OnDisk]:
    """The matrix of each shard, in order; only missing ones are computed, several at a time when it is worth it."""
    sweep(folder)
    todo = [shard for shard in snapshot.shards if OnDisk.find(folder / shard.sha256) is None]
    total = sum(shard.rows for shard in snapshot.shards)
    done = total - sum(shard.rows for shard in todo)
    if progress and todo:
        progress("encode", 0, total)
    for rows in _encode_all(todo, snapshot, encoder, folder, jobs):
        done += rows
        if progress:
            progress("encode", done, total)
    found = [OnDisk.find(folder / shard.sha256) for shard in snapshot.shards]
    return [part for part in found if part is not None]


def _encode_all(
    todo: list[Shard], snapshot: Snapshot, encoder: Encoder, folder: Path, jobs: int | None
) -> Iterator[int]:
    alone = len(todo) < 2 or sum(shard.rows for shard in todo) < WORTH_A_PROCESS
    if alone or jobs == 1 or not getattr(encoder, "in_parallel", True):
        for shard in todo:
            yield from _encode(encoder, snapshot, shard, folder)
        return
    from joblib import Parallel, cpu_count, delayed
    from joblib.externals.loky import get_reusable_executor

    workers = min(jobs or cpu_count(), len(todo))
    tasks = (delayed(_encode_whole)(encoder, snapshot, shard, folder) for shard in todo)
    try:
        yield from Parallel(n_jobs=workers, return_as="generator_unordered")(tasks)
    finally:
        # Idle workers would hold 250 MB each, and the output of this process, for five more minutes.
        get_reusable_executor().shutdown(kill_workers=True)


def _encode(encoder: Encoder, snapshot: Snapshot, shard: Shard, folder: Path) -> Iterator[int]:
    """Encodes and saves one shard; gives the number of rows done each time some are."""
    items = snapshot.items(shard)
    size = getattr(encoder, "BLOCK_ROWS", BLOCK_ROWS)
    parts = []
    for start in range(0, max(shard.rows, 1), size):  # an empty shard still has its number of columns
        parts.append(encoder.transform({name: values[start : start + size] for name, values in items.items()}))
        if start + size < shard.rows:
            yield size
    OnDisk.save(folder / shard.sha256, stack(parts))
    yield shard.rows - (len(parts) - 1) * size


def _encode_whole(encoder: Encoder, snapshot: Snapshot, shard: Shard, folder: Path) -> int:
    return sum(_encode(encoder, snapshot, shard, folder))


def _pool_blocks(snapshot: Snapshot) -> Iterator[Items]:
    may = root_pool(snapshot)
    for shard in snapshot.shards[: snapshot.n_root_shards]:
        chosen = np.flatnonzero(may[shard.start : shard.start + shard.rows]).tolist()
        if chosen:
            items = snapshot.items(shard)
            yield {name: [values[i] for i in chosen] for name, values in items.items()}
