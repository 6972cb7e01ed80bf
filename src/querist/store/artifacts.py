"""Bytes under their SHA-256, in a folder or any fsspec URL."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import SnapshotCorrupt
from querist.core.hashing import sha256
from querist.snapshots.folder import check_url, location


class Artifacts:
    def __init__(self, url: str, *, base: Path = Path()) -> None:
        from fsspec.core import url_to_fs

        check_url("artifacts", url)
        self._fs, self._root = url_to_fs(location(url, base))

    def put(self, data: bytes) -> str:
        """Stores `data` and returns its SHA-256; the same bytes are stored once."""
        name = sha256(data)
        path = self._path(name)
        if not self._fs.exists(path) or self._fs.size(path) != len(data):
            aside = f"{self._root}/aside/{name}.{os.getpid()}"
            self._fs.makedirs(os.path.dirname(aside), exist_ok=True)
            self._fs.pipe_file(aside, data)
            self._fs.makedirs(os.path.dirname(path), exist_ok=True)
            self._fs.mv(aside, path)
        return name

    def get(self, name: str) -> bytes:
        """The bytes behind a SHA-256. Raises SnapshotCorrupt when they are missing or changed."""
        try:
            data: bytes = self._fs.cat_file(self._path(name))
        except FileNotFoundError:
            raise SnapshotCorrupt(f"artifact {name} is missing from {self._root}; restore it from a backup") from None
        if sha256(data) != name:
            raise SnapshotCorrupt(f"artifact {name} in {self._root} has changed; restore it from a backup")
        return data

    def put_arrays(self, **arrays: NDArray[Any]) -> str:
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        return self.put(buffer.getvalue())

    def get_arrays(self, name: str) -> dict[str, NDArray[Any]]:
        with np.load(io.BytesIO(self.get(name)), allow_pickle=False) as arrays:
            return dict(arrays)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name[:2]}/{name[2:]}"
