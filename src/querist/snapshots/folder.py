"""Bytes under names, in a folder or behind any fsspec URL."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

from querist.core.errors import SettingError, UnknownName


def location(url: str, base: Path) -> str:
    """The URL itself, or for a plain path the folder it names from `base`."""
    return url if "://" in url else str(base / url)


def check_url(setting: str, url: str) -> None:
    """Raises UnknownName for a scheme that fsspec does not know, SettingError where its driver is not installed."""
    if "://" not in url:
        return
    from fsspec import available_protocols, get_filesystem_class
    from fsspec.utils import get_protocol

    scheme = get_protocol(url)
    try:
        get_filesystem_class(scheme)
    except ValueError:
        raise UnknownName(f"scheme in storage.{setting} = {url!r}:", scheme, available_protocols()) from None
    except ImportError as error:
        raise SettingError(f"storage.{setting} = {url!r} cannot be opened: {error}") from None


class Folder:
    """A place that never shows half a file: bytes are written aside, then moved."""

    def __init__(self, url: str | Path) -> None:
        from fsspec.core import url_to_fs

        check_url("snapshots", str(url))
        self.url = str(url)
        fs, root = url_to_fs(self.url)
        self._fs: Any = fs  # Any: fsspec carries no types
        self._root = str(root).rstrip("/")

    def path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def exists(self, name: str) -> bool:
        return bool(self._fs.isfile(self.path(name)))

    def open(self, name: str) -> Any:  # Any: a binary file of fsspec
        return self._fs.open(self.path(name), "rb")

    def open_native(self, name: str) -> Any:  # Any: a file of pyarrow, or of fsspec
        """As `open`; a file on this machine without a call into Python for every piece that is read."""
        import pyarrow as pa
        from fsspec.implementations.local import LocalFileSystem

        return pa.OSFile(self.path(name)) if isinstance(self._fs, LocalFileSystem) else self.open(name)

    def read(self, name: str) -> bytes:
        with self.open(name) as file:
            return bytes(file.read())

    def write(self, name: str, data: bytes) -> None:
        final = self.path(name)
        aside = f"{final}.{uuid4().hex}.part"
        self._fs.makedirs(final.rpartition("/")[0], exist_ok=True)
        self._fs.pipe_file(aside, data)
        self._fs.mv(aside, final)

    def names(self, folder: str, suffix: str) -> list[str]:
        """Names of the files in a folder, sorted; none when there is no such folder."""
        try:
            paths = self._fs.ls(self.path(folder), detail=False, refresh=True)
        except FileNotFoundError:
            return []
        return sorted(f"{folder}/{str(p).rpartition('/')[2]}" for p in paths if str(p).endswith(suffix))
