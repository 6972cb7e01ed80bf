"""Matrices on disk, as plain .npy files in one folder each, opened memory-mapped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from querist.core.types import Matrix

CSR = ("data", "indices", "indptr")
PART = ".part"


class Part(Protocol):
    """Some rows of a matrix."""

    @property
    def shape(self) -> tuple[int, int]: ...
    def open(self) -> Matrix: ...


@dataclass(frozen=True)
class InMemory:
    X: Matrix

    @property
    def shape(self) -> tuple[int, int]:
        return self.X.shape[0], self.X.shape[1]

    def open(self) -> Matrix:
        return self.X


@dataclass(frozen=True)
class OnDisk:
    """Opened anew each time, so that pages already read do not stay with the process."""

    folder: Path
    shape: tuple[int, int]

    @classmethod
    def find(cls, folder: Path) -> OnDisk | None:
        if not folder.is_dir():
            return None
        n_rows, n_columns = np.load(folder / "shape.npy").tolist()
        return cls(folder, (n_rows, n_columns))

    @classmethod
    def save(cls, folder: Path, X: Matrix) -> OnDisk:
        """Written beside and renamed, so that the folder is there whole or not at all."""
        parts = {"dense": X} if isinstance(X, np.ndarray) else {name: getattr(X, name) for name in CSR}
        beside = folder.with_name(f"{folder.name}.{os.getpid()}{PART}")
        beside.mkdir(parents=True, exist_ok=True)
        for name, array in {**parts, "shape": np.array(X.shape)}.items():
            np.save(beside / f"{name}.npy", array, allow_pickle=False)
        try:
            beside.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
            shutil.rmtree(beside)  # another process was faster with the same matrix
        return cls(folder, (X.shape[0], X.shape[1]))

    def open(self) -> Matrix:
        if (self.folder / "dense.npy").exists():
            return self._map("dense")
        import scipy.sparse as sp

        return sp.csr_matrix(tuple(self._map(name) for name in CSR), shape=self.shape, copy=False)

    def _map(self, name: str) -> NDArray[Any]:
        array: NDArray[Any] = np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return array


class Held:
    """Matrices that are asked again and again, kept as long as all of them fit into `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._kept: dict[str, list[Matrix]] = {}

    def through(self, key: str, read: Callable[[], Iterable[Matrix]]) -> Iterator[Matrix]:
        """What `read` gives, from memory the second time."""
        if key in self._kept:
            yield from self._kept[key]
            return
        kept, left = [], self._left
        for X in read():
            left -= _n_bytes(X)
            if left >= 0:
                kept.append(X)
            else:
                kept.clear()
            yield X
        if left >= 0:
            self._kept[key], self._left = kept, left


def _n_bytes(X: Matrix) -> int:
    return int(X.nbytes if isinstance(X, np.ndarray) else sum(getattr(X, name).nbytes for name in CSR))


def stack(matrices: list[Matrix]) -> Matrix:
    """One matrix from several, one below the other."""
    if len(matrices) == 1:
        return matrices[0]
    if isinstance(matrices[0], np.ndarray):
        return np.concatenate(matrices)
    import scipy.sparse as sp

    return sp.vstack(matrices, format="csr")


def sweep(folder: Path) -> None:
    """Removes what processes that no longer run left half written."""
    for beside in folder.glob(f"*{PART}"):
        if not _runs(int(beside.name.split(".")[-2])):
            shutil.rmtree(beside, ignore_errors=True)


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Named arrays in one .npz file, written beside and renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        np.savez(file, **dict(arrays))  # type: ignore[arg-type]  # a name could be allow_pickle; none is
    beside.replace(path)


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
