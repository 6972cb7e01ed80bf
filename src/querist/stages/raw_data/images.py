"""Images: a folder or zip with a subfolder per class, or files that a table beside them names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile

from querist.config.data import DataSettings
from querist.core.errors import DataError
from querist.stages.raw_data.rows import BadRow, Row, refuse

SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


def read_images(source: Path, data: DataSettings) -> Iterator[Row | BadRow]:
    """Rows with `image` (bytes), `path` (relative) and `label` (the folder that holds the file; None at the top)."""
    files = _in_folder(source) if source.is_dir() else _in_zip(source)
    line = 0
    for line, (path, content) in enumerate(files, start=1):
        label = PurePosixPath(path).parent.name or None
        row = Row(line, {data.image or "image": content, "path": path, "label": label})
        yield refuse(row, "unreadable file") if content is None else row
    if line == 0:
        raise DataError(f"{source} holds no image ({', '.join(sorted(SUFFIXES))})")


def with_images(rows: Iterable[Row | BadRow], column: str, folder: Path) -> Iterator[Row | BadRow]:
    """The rows with each path in `column` replaced by the file's bytes."""
    with ExitStack() as stack:
        find: Callable[[str], bytes | None] | None = None
        for row in rows:
            path = row.values.get(column) if isinstance(row, Row) else None
            if isinstance(row, BadRow) or not isinstance(path, str) or not path.strip():
                yield row
                continue
            find = find or _finder(folder, stack)
            content = find(path.strip())
            if content is None:
                yield refuse(row, "image file not found beside the table")
            else:
                yield replace(row, values={**row.values, column: content})


def _finder(folder: Path, stack: ExitStack) -> Callable[[str], bytes | None]:
    """Looks for a relative path in the folder, in its subfolders, then in the zips that lie in it."""
    folders = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    archives = []
    for path in sorted(folder.glob("*.zip")):
        try:
            archive = stack.enter_context(ZipFile(path))
        except BadZipFile as error:
            raise DataError(f"{path} is not a readable zip: {error}") from None
        archives.append((archive, frozenset(archive.namelist())))

    def find(name: str) -> bytes | None:
        relative = PurePosixPath(name.replace("\\", "/"))
        if relative.is_absolute() or ".." in relative.parts:
            return None
        for place in folders:
            if (place / relative).is_file():
                return _content(place / relative)
        for archive, names in archives:
            if str(relative) in names:
                return _member(archive, str(relative))
        return None

    return find


def _in_folder(source: Path) -> Iterator[tuple[str, bytes | None]]:
    for folder, subfolders, names in os.walk(source):
        subfolders.sort()
        for name in sorted(names):
            if Path(name).suffix.lower() in SUFFIXES:
                path = Path(folder, name)
                yield path.relative_to(source).as_posix(), _content(path)


def _in_zip(source: Path) -> Iterator[tuple[str, bytes | None]]:
    try:
        with ZipFile(source) as archive:
            for name in sorted(archive.namelist()):
                path = PurePosixPath(name)
                if path.suffix.lower() in SUFFIXES and path.parts[0] != "__MACOSX":
                    yield name, _member(archive, name)
    except BadZipFile as error:
        raise DataError(f"{source} is not a readable zip: {error}") from None


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _member(archive: ZipFile, name: str) -> bytes | None:
    import zlib

    try:
        return archive.read(name)
    except (BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError):  # damaged, locked, odd compression
        return None
