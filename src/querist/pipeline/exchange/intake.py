"""First pass of an ingest: good items, checked and cleaned, go to a staging file; bad rows to quarantine."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from querist.config import Settings
from querist.config.data import DataSettings
from querist.core.hashing import key64
from querist.snapshots import Snapshot
from querist.stages.preprocessing.groups import Keys, group_keys
from querist.stages.preprocessing.seen import SeenKeys, Values
from querist.stages.preprocessing.steps import Step, apply, resolve
from querist.stages.raw_data.items import Item, item_builder, model_columns
from querist.stages.raw_data.rows import BadRow, Row, refuse
from querist.stages.raw_data.sources import checked, open_source

BLOCK_ROWS = 8192
BLOCK_BYTES = 32 << 20

Progress = Callable[[str, int, int | None], None]


class Opened(NamedTuple):
    """The rows of a source that is seen to have the columns asked for."""

    name: str
    rows: Iterable[Row | BadRow]


def open_rows(source: Path | Iterable[Row], settings: Settings) -> Opened:
    """Raises DataError or SettingError where an ingest of the source could not begin; nothing is written by then."""
    resolve(settings.preprocessing, settings.data.kind)
    if isinstance(source, Path):
        return Opened(source.name, open_source(source, settings.data))
    return Opened("rows", checked(source, settings.data, "the data"))


@dataclass(frozen=True)
class Intake:
    """Counts of the rows read, and of each new item (n,) its group, a check sum of its content, split and label."""

    read: int
    repeated: int
    reasons: Counter[str]
    groups: Keys
    variants: NDArray[np.uint32]
    given: NDArray[np.int8]
    labels: NDArray[np.int32]
    label_names: tuple[str, ...]


def stored_schema(data: DataSettings) -> dict[str, str]:
    """Columns of a snapshot and their types, in order."""
    fixed = {"id": "string", "content": "uint64", "group": "uint64", "primary": "bool", "split": "dictionary<string>"}
    return {**fixed, "label": "string", **model_columns(data), **{f"c.{name}": "string" for name in data.context}}


def take_in(
    rows: Iterable[Row | BadRow],
    data: DataSettings,
    steps: Sequence[Step],
    old: Snapshot | None,
    *,
    staged: Path,
    quarantine: Path,
    progress: Progress,
) -> Intake:
    """Reads all rows once, a block at a time; 36 bytes an item stay in memory."""
    import pyarrow as pa

    types = {name: kind for name, kind in stored_schema(data).items() if name not in ("primary", "split")}
    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in types.items()])
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with quarantine.open("w", encoding="utf-8") as bad, pa.ipc.new_stream(str(staged), schema, options=options) as good:
        names = old.given_labels("label", old.classes, data.sets)[1] if old else ()
        intake = _Intake(data, steps, _known(old), names, bad)
        for block in _blocks(rows):
            columns = intake.add(block)
            good.write_table(pa.table(columns, schema=schema))
            progress("read", intake.read, None)
    return intake.result()


class _Intake:
    def __init__(
        self, data: DataSettings, steps: Sequence[Step], seen: SeenKeys, classes: Sequence[str], bad: IO[str]
    ) -> None:
        self._data, self._steps, self._seen, self._bad = data, steps, seen, bad
        self._build = item_builder(data)
        self._columns = list(model_columns(data))
        self.read = self._repeated = 0
        self._reasons: Counter[str] = Counter()
        self._codes: dict[str | None, int] = {None: -1, **{name: code for code, name in enumerate(classes)}}
        self._groups: list[Keys] = []
        self._variants: list[NDArray[np.uint32]] = []
        self._given: list[NDArray[np.int8]] = []
        self._labels: list[NDArray[np.int32]] = []

    def add(self, block: list[Row | BadRow]) -> dict[str, Any]:
        """Columns of the block's new items."""
        made = [self._build(row) if isinstance(row, Row) else row for row in block]
        items = [item for item in made if isinstance(item, Item)]
        refused = [row for row in made if isinstance(row, BadRow)]
        cleaned = apply(self._steps, self._features(items))
        if "text" in cleaned:
            refused += [
                refuse(item.row, "no text left after pre-processing")
                for item, text in zip(items, cleaned["text"], strict=True)
                if not text
            ]
            items = [item for item, text in zip(items, cleaned["text"], strict=True) if text]
            cleaned["text"] = [text for text in cleaned["text"] if text]

        content = np.fromiter(map(_content, items), np.uint64, len(items))
        ids = [item.id or f"{key:016x}" for item, key in zip(items, content.tolist(), strict=True)]
        same = _as_values(content)
        earlier = self._seen.add(_id_keys(ids), same)
        refused += [
            refuse(items[i].row, "same id as an earlier row with other content")
            for i in np.flatnonzero((earlier >= 0) & (earlier != same))
        ]
        self._count(block, refused, int((earlier == same).sum()))

        new = np.flatnonzero(earlier < 0)
        if len(new) < len(items):
            items = [items[i] for i in new]
            ids = [ids[i] for i in new]
            cleaned = {name: [values[i] for i in new] for name, values in cleaned.items()}
        groups = group_keys(cleaned)
        self._keep(items, cleaned, groups)
        return {
            "id": ids,
            "content": content[new],
            "group": groups,
            "label": [item.label for item in items],
            **cleaned,
            **{f"c.{name}": [item.context[i] for item in items] for i, name in enumerate(self._data.context)},
        }

    def result(self) -> Intake:
        return Intake(
            self.read,
            self._repeated,
            self._reasons,
            _joined(self._groups, np.uint64),
            _joined(self._variants, np.uint32),
            _joined(self._given, np.int8),
            _joined(self._labels, np.int32),
            tuple(name for name in self._codes if name is not None),
        )

    def _features(self, items: Sequence[Item]) -> dict[str, list[Any]]:
        return {name: [item.features[i] for item in items] for i, name in enumerate(self._columns)}

    def _count(self, block: Sequence[object], refused: list[BadRow], repeated: int) -> None:
        self.read += len(block)
        self._repeated += repeated
        for row in sorted(refused, key=lambda row: row.line):
            self._reasons[row.reason] += 1
            reason = f"{row.reason}: {row.detail}" if row.detail else row.reason
            self._bad.write(json.dumps({"line": row.line, "reason": reason, "row": row.raw}) + "\n")

    def _keep(self, items: Sequence[Item], cleaned: dict[str, list[Any]], groups: Keys) -> None:
        for item in items:
            self._codes.setdefault(item.label, len(self._codes) - 1)
        contents = zip(*cleaned.values(), strict=True)
        self._groups.append(groups)
        self._variants.append(np.fromiter(map(_checksum, contents), np.uint32, len(items)))
        self._given.append(np.fromiter((item.split for item in items), np.int8, len(items)))
        self._labels.append(np.fromiter((self._codes[item.label] for item in items), np.int32, len(items)))


def _blocks(rows: Iterable[Row | BadRow]) -> Iterator[list[Row | BadRow]]:
    block: list[Row | BadRow] = []
    size = 0
    for row in rows:
        block.append(row)
        if isinstance(row, Row):
            size += sum([_size(value) for value in row.values.values()])
        if len(block) == BLOCK_ROWS or size >= BLOCK_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block


def _size(value: object) -> int:
    return len(value) if isinstance(value, str | bytes) else value.nbytes if isinstance(value, np.ndarray) else 8


def _known(old: Snapshot | None) -> SeenKeys:
    seen = SeenKeys()
    if old is None:
        return seen
    for shard in old.shards:
        table = old.read(shard, ["id", "content"])
        seen.add(_id_keys(table["id"].to_pylist()), _as_values(table["content"].to_numpy()))
    return seen


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _content(item: Item) -> int:
    features = [_digest(value) if isinstance(value, bytes) else value for value in item.features]
    return key64(_encode([*features, item.label, item.split, *item.context]).encode())


def _digest(content: bytes) -> str:
    return f"{key64(content):016x}"


def _checksum(features: tuple[Any, ...]) -> int:
    value = features[0]
    return crc32(value if isinstance(value, bytes) else value.encode() if isinstance(value, str) else b"")


def _id_keys(ids: Sequence[str]) -> Keys:
    return np.fromiter((key64(id.encode()) for id in ids), np.uint64, len(ids))


def _as_values(content: Keys) -> Values:
    return (content >> np.uint64(1)).astype(np.int64)  # 63 bits: values count from 0


def _joined(parts: list[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    joined = np.concatenate([np.empty(0, dtype), *parts])
    parts.clear()
    return joined
