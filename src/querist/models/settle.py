"""Makes the bytes of skops depend on the stored object alone, so that equal models have equal hashes."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np

SCHEMA = "schema.json"


def settle(data: bytes) -> bytes:
    """skops names parts by memory address and stamps them with the time; here they get numbers in order of use."""
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        contents = {name: old.read(name) for name in old.namelist()}
    names = Numbers(set(contents) - {SCHEMA})
    schema = json.dumps(names.renumber(json.loads(contents[SCHEMA]))).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as new:
        for name, number in names.files.items():
            _add(new, number, _without_padding(contents[name]) if name.endswith(".npy") else contents[name])
        _add(new, SCHEMA, schema)
    return buffer.getvalue()


class Numbers:
    """Numbers for memory addresses, by first use; `files` maps old file names to new ones."""

    def __init__(self, names: set[str]) -> None:
        self._names = names
        self._numbers: dict[str, int] = {}
        self.files: dict[str, str] = {}

    def renumber(self, node: Any) -> Any:  # Any: a JSON value
        if isinstance(node, list):
            return [self.renumber(child) for child in node]
        if not isinstance(node, dict):
            return node
        found = dict(node)
        if isinstance(node.get("__id__"), int):
            found["__id__"] = self._number(str(node["__id__"]))
        name = node.get("file")
        if isinstance(name, str) and name in self._names:
            address, _, ending = name.partition(".")
            found["file"] = self.files.setdefault(name, f"{self._number(address)}.{ending}")
        return {key: self.renumber(child) for key, child in found.items()}

    def _number(self, address: str) -> int:
        return self._numbers.setdefault(address, len(self._numbers))


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    archive.writestr(entry, content)


def _without_padding(content: bytes) -> bytes:
    """Nodes of trees are padded with whatever memory held before."""
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype.names is None:
        return content
    clean = np.zeros(array.shape, dtype=array.dtype)
    for field in array.dtype.names:
        clean[field] = array[field]
    buffer = io.BytesIO()
    np.save(buffer, clean, allow_pickle=False)
    return buffer.getvalue()
