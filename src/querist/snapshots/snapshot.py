"""Reading a snapshot: whole columns as small arrays, items shard by shard or by position."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import DataError, ShapeError, SnapshotCorrupt, UnknownName
from querist.core.hashing import sha256
from querist.core.label_sets import LabelSets
from querist.core.types import Codes, Indices
from querist.snapshots.folder import Folder
from querist.snapshots.manifest import (
    POOL,
    SPLITS,
    TEST,
    VALIDATION,
    Manifest,
    Shard,
    from_json,
    is_unchanged,
    manifest_name,
)

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T", bound=np.generic)
HELD_BYTES = 64 << 20
"""Stored bytes of a snapshot whose items may stay in memory, decoded, between takes."""

__all__ = ["POOL", "SPLITS", "TEST", "VALIDATION", "Shard", "Snapshot"]


class Snapshot:
    """An immutable list of items; an item's position in it never changes, in its descendants neither."""

    def __init__(self, folder: Folder, manifest: Manifest, id: str) -> None:
        self._folder = folder
        self.manifest = manifest
        self.id = id
        self.parent = manifest.parent
        self.root_id = manifest.root or id
        self.n_root_shards = manifest.n_root_shards
        self.kind = manifest.kind
        self.classes = manifest.classes
        self.shards: tuple[Shard, ...] = manifest.shards
        self.n_items = manifest.n_items
        self._sound: set[str] = set()
        self._labels: dict[tuple[str, tuple[str, ...], LabelSets | None], tuple[Codes, tuple[str, ...]]] = {}
        self._held: dict[tuple[str, ...], pa.Table] = {}

    @classmethod
    def open(cls, url: str | Path, id: str) -> Self:
        """Raises DataError when there is no such snapshot, SnapshotCorrupt when its manifest is unreadable."""
        folder = Folder(url)
        try:
            data = folder.read(manifest_name(id))
        except FileNotFoundError:
            known = ", ".join(_ids(folder)) or "none"
            raise DataError(f"no snapshot {id!r} in {folder.url}. Available: {known}.") from None
        return cls(folder, from_json(data, folder.path(manifest_name(id))), id)

    def columns(self) -> list[str]:
        return list(self.manifest.schema)

    def context_columns(self) -> list[str]:
        """Names of the context columns, without their prefix."""
        return [name.removeprefix("c.") for name in self.columns() if name.startswith("c.")]

    def read(self, shard: Shard, columns: Sequence[str] | None = None) -> pa.Table:
        return self._read(shard, columns, None)

    def items(self, shard: Shard) -> dict[str, list[Any]]:
        """Model columns of a shard: {"text": [...]}, {"image": [...]} or {"x.NAME": [...], ...}."""
        table = self.read(shard, self._model_columns)
        return {name: table.column(name).to_pylist() for name in self._model_columns}

    def splits(self) -> NDArray[np.int8]:
        """(n_items,) POOL, VALIDATION or TEST."""
        return self._splits

    def primary(self) -> NDArray[np.bool_]:
        """(n_items,) True for the one item of its group that may be used."""
        return self._primary

    def labels(
        self, column: str = "label", classes: Sequence[str] | None = None, sets: LabelSets | None = None
    ) -> tuple[Codes, tuple[str, ...]]:
        """(n_items,) class numbers, -1 where unknown or not in `classes`, and the classes they count.

        `column` is "label" or a context column, whose classes are its sorted values when none are given. A primary
        item without one of them has that of the first item of its group and split that has one. With `sets` an item
        has a set of classes, and what is counted are the sets that occur.
        """
        key = (column, tuple(self.class_names(column, sets) if classes is None else classes), sets)
        if key not in self._labels:
            codes, names = self.given_labels(*key)
            self._labels[key] = _frozen(self._lend(codes)), names
        return self._labels[key]

    def class_names(self, column: str = "label", sets: LabelSets | None = None) -> tuple[str, ...]:
        """The classes of the snapshot, or those of a context column, sorted."""
        stored = self._stored(column)
        if column == "label":
            return self.classes
        values = self._values(stored)
        return values if sets is None else tuple(sorted({name for value in values for name in sets.read(value) or ()}))

    def given_labels(
        self, column: str, classes: tuple[str, ...], sets: LabelSets | None
    ) -> tuple[Codes, tuple[str, ...]]:
        """`labels` as each row itself gave them, nothing lent."""
        stored = self._stored(column)
        if sets is None:
            return self._codes(stored, classes), classes
        values, known = self._values(stored), set(classes)
        read = [sets.read(value) for value in values]
        joined = [sets.join(names) if names is not None and known.issuperset(names) else None for names in read]
        names = tuple(sorted({text for text in joined if text is not None}))
        code: dict[str | None, int] = {None: -1, **{text: at for at, text in enumerate(names)}}
        number = np.array([*(code[text] for text in joined), -1], dtype=np.int64)
        return number[self._codes(stored, values)], names

    def take(
        self, positions: Indices | Sequence[int], columns: Sequence[str] | None = None, *, hold: bool = False
    ) -> pa.Table:
        """Rows at the positions, in the order asked; reads only the parts of the shards that hold them.

        `hold` keeps these columns of a snapshot of at most HELD_BYTES in memory, for takes that come again.
        """
        from concurrent.futures import ThreadPoolExecutor

        import pyarrow as pa

        wanted = np.asarray(positions, dtype=np.intp)
        if len(wanted) and (wanted.min() < 0 or wanted.max() >= self.n_items):
            raise ShapeError(f"positions must lie in 0..{self.n_items - 1}, got {wanted.min()}..{wanted.max()}")
        if hold and sum(shard.bytes for shard in self.shards) <= HELD_BYTES:
            return self._whole(tuple(self.columns() if columns is None else columns)).take(wanted)
        order = np.argsort(wanted, kind="stable")
        cuts = np.searchsorted(wanted[order], [shard.start for shard in self.shards] + [self.n_items])
        held = [
            (shard, columns, wanted[order[first:last]] - shard.start)
            for shard, first, last in zip(self.shards, cuts[:-1], cuts[1:], strict=True)
            if last > first
        ]
        if not held:
            return self.read(self.shards[0], columns).slice(0, 0)
        with ThreadPoolExecutor(min(len(held), os.cpu_count() or 1)) as pool:
            parts = list(pool.map(self._read, *zip(*held, strict=True)))
        back = np.empty(len(order), dtype=np.intp)
        back[order] = np.arange(len(order))
        return pa.concat_tables(parts).take(back)

    def _whole(self, columns: tuple[str, ...]) -> pa.Table:
        import pyarrow as pa

        if columns not in self._held:
            read = [self.read(shard, columns) for shard in self.shards]
            self._held[columns] = pa.concat_tables(read).combine_chunks()
        return self._held[columns]

    def find(self, ids: Iterable[str]) -> dict[str, int]:
        """Positions of the ids that are here; streams the id column."""
        import pyarrow as pa
        import pyarrow.compute as pc

        found: dict[str, int] = {}
        wanted = pa.array(list(ids), pa.string())
        for shard in self.shards:
            column = self.read(shard, ["id"]).column("id").combine_chunks()
            at = pc.indices_nonzero(pc.is_in(column, value_set=wanted))
            positions = (at.to_numpy() + shard.start).tolist()
            found.update(zip(column.take(at).to_pylist(), positions, strict=True))
        return found

    def groups(self, positions: Indices) -> NDArray[np.uint64] | None:
        """(len(positions),) the group of each, for items that may be no evidence of their own; None where no two items
        in use share one, as with `data.deduplicate`."""
        counts = self.manifest.counts
        if sum(counts["primary"].values()) <= counts["groups"]:
            return None
        groups: NDArray[np.uint64] = self.take(positions, ["group"], hold=True)["group"].to_numpy()
        return groups

    def numbers(self, column: str) -> NDArray[np.float64]:
        """(n_items,) a context column as numbers, NaN where it holds none. Raises UnknownName."""
        import pyarrow as pa
        import pyarrow.compute as pc

        stored, found = self._stored(column), [np.empty(0)]
        for shard in self.shards:
            values = self.read(shard, [stored]).column(stored).cast(pa.string())
            number = pc.match_substring_regex(values, r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$")
            found.append(pc.if_else(number, values, None).cast(pa.float64()).to_numpy())
        return np.concatenate(found)

    def verify(self) -> list[str]:
        """What differs from the record, each problem with its file; empty when all is well."""
        problems, name = [], manifest_name(self.id)
        if not is_unchanged(self._folder.read(name)):
            problems.append(f"{self._folder.path(name)}: the manifest was changed")
        for shard in self.shards:
            path = self._folder.path(shard.name)
            if not self._folder.exists(shard.name):
                problems.append(f"{path}: missing")
            elif sha256(self._folder.read(shard.name)) != shard.sha256:
                problems.append(f"{path}: its bytes differ from their checksum")
        return problems

    @cached_property
    def _splits(self) -> NDArray[np.int8]:
        return _frozen(self._codes("split", SPLITS).astype(np.int8))

    @cached_property
    def _primary(self) -> NDArray[np.bool_]:
        parts = [self.read(s, ["primary"]).column("primary").to_numpy() for s in self.shards]
        return _frozen(np.concatenate([np.empty(0, dtype=bool), *parts]))

    @property
    def _model_columns(self) -> list[str]:
        return [name for name in self.columns() if name in ("text", "image") or name.startswith("x.")]

    def _stored(self, column: str) -> str:
        if column == "label":
            return column
        if column not in self.context_columns():
            raise UnknownName("column", column, ["label", *self.context_columns()])
        return f"c.{column}"

    def _values(self, stored: str) -> tuple[str, ...]:
        import pyarrow.compute as pc

        found: set[str] = set()
        for shard in self.shards:
            found.update(pc.unique(self.read(shard, [stored]).column(stored)).drop_null().to_pylist())
        return tuple(sorted(found))

    def _codes(self, stored: str, classes: tuple[str, ...]) -> Codes:
        import pyarrow as pa
        import pyarrow.compute as pc

        names = pa.array(classes, pa.string())
        codes = [np.empty(0, dtype=np.int64)]
        for shard in self.shards:
            column = self.read(shard, [stored]).column(stored).cast(pa.string())
            at = pc.fill_null(pc.index_in(column, value_set=names, skip_nulls=True), -1)
            codes.append(at.to_numpy().astype(np.int64))
        return np.concatenate(codes)

    def primaries(self, positions: Indices) -> Indices:
        """The item in use of each position's group in its split; -1 where there is none."""
        groups = self._groups_in_splits()
        used = np.flatnonzero(self._primary)
        order = used[np.argsort(groups[used], kind="stable")]
        at = np.searchsorted(groups[order], groups[positions]).clip(max=max(len(order) - 1, 0))
        found = order[at] if len(order) else np.full(len(positions), -1)
        return np.where(groups[found] == groups[positions], found, -1)

    def _groups_in_splits(self) -> NDArray[np.uint64]:
        """(n_items,) group, told apart by split: a holdout item neither lends nor borrows a label."""
        groups = [self.read(s, ["group"]).column("group").to_numpy().astype(np.uint64) for s in self.shards]
        told: NDArray[np.uint64] = np.concatenate([np.empty(0, np.uint64), *groups])
        return told ^ (self._splits.astype(np.uint64) << np.uint64(62))

    def _lend(self, codes: Codes) -> Codes:
        lacking, lenders = np.flatnonzero(self._primary & (codes < 0)), np.flatnonzero(~self._primary & (codes >= 0))
        if len(lacking) and len(lenders):
            groups = self._groups_in_splits()
            known, first = np.unique(groups[lenders], return_index=True)
            at = np.searchsorted(known, groups[lacking]).clip(max=len(known) - 1)
            same = known[at] == groups[lacking]
            codes[lacking[same]] = codes[lenders[first[at[same]]]]
        return codes

    def _check(self, shard: Shard) -> None:
        """Each shard's bytes are compared with their checksum once, before anything is read from them."""
        if shard.sha256 in self._sound:
            return
        if sha256(self._folder.read(shard.name)) != shard.sha256:
            path = self._folder.path(shard.name)
            raise SnapshotCorrupt(f"{path} differs from its checksum; restore it from a backup")
        self._sound.add(shard.sha256)

    def _read(self, shard: Shard, columns: Sequence[str] | None, rows: NDArray[np.intp] | None) -> pa.Table:
        """The shard, or its `rows` (sorted), of which only the row groups that hold them are read."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        names = None if columns is None else list(columns)
        for name in names or ():
            if name not in self.manifest.schema:
                raise UnknownName("column", name, self.columns())
        try:
            self._check(shard)
            with self._folder.open_native(shard.name) as stream, pq.ParquetFile(stream) as file:
                if rows is None:
                    return file.read(columns=names)
                sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
                ends = np.cumsum(sizes)
                group = np.searchsorted(ends, rows, side="right")
                groups = np.unique(group)
                kept = np.cumsum(np.asarray(sizes)[groups]) - np.asarray(sizes)[groups]
                first = (ends - sizes)[group]
                local = rows - first + kept[np.searchsorted(groups, group)]
                # One thread each: `take` reads several shards at a time.
                return file.read_row_groups(groups.tolist(), columns=names, use_threads=False).take(local)
        except (FileNotFoundError, pa.ArrowException) as error:
            path = self._folder.path(shard.name)
            raise SnapshotCorrupt(f"{path} cannot be read ({error}); restore it from a backup") from None


def _ids(folder: Folder) -> list[str]:
    return [name.rpartition("/")[2].removesuffix(".json") for name in folder.names("manifests", ".json")]


def _frozen(array: NDArray[T]) -> NDArray[T]:
    array.flags.writeable = False
    return array
