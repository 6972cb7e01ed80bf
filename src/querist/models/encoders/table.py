"""Rows of a table: numbers scaled, categories one-hot."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import DataError, SettingError, UnknownName
from querist.core.protocols import Items
from querist.core.types import Matrix
from querist.models.encoders.make import whole_number
from querist.models.encoders.sample import n_rows, sample

SCALES = ("standard", "minmax", "none")
ONE_HOT = {"min_count": 1, "max_categories": 256}


@dataclass(frozen=True)
class Number:
    """(x - shift) / scale; what is missing takes the median and, where the fit saw gaps, a second column says so."""

    name: str
    median: float
    shift: float
    scale: float
    has_gaps: bool

    @property
    def width(self) -> int:
        return 1 + self.has_gaps

    def write(self, values: Sequence[Any], out: NDArray[np.float32]) -> None:
        numbers = _numbers(values)
        gaps = np.isnan(numbers)
        out[:, 0] = (np.where(gaps, self.median, numbers) - self.shift) / self.scale
        if self.has_gaps:
            out[:, 1] = gaps


@dataclass(frozen=True)
class Category:
    """One column for each value that the fit saw often enough; all others are zero everywhere."""

    name: str
    values: list[str]

    @property
    def width(self) -> int:
        return len(self.values)

    def write(self, values: Sequence[Any], out: NDArray[np.float32]) -> None:
        place = {value: i for i, value in enumerate(self.values)}
        found = np.fromiter((place.get(v, -1) for v in values), dtype=np.intp, count=len(values))
        rows = np.flatnonzero(found >= 0)
        out[:] = 0
        out[rows, found[rows]] = 1


class Table:
    """Columns "x.NAME" of numbers or words: (n_items, n_columns) float32.

    `scale` is standard (mean 0, deviation 1), minmax (0 to 1) or none; `one_hot` holds `min_count` (rarer values count
    as unknown) and `max_categories` (of one column, the most frequent); None leaves categorical columns out. Both are
    learned from `fit_sample` items.
    """

    VERSION: ClassVar[int] = 1
    kind: ClassVar[str] = "tabular"

    def __init__(
        self,
        *,
        scale: str | None = "standard",
        one_hot: Mapping[str, int] | None = MappingProxyType({}),
        fit_sample: int = 100_000,
    ) -> None:
        self._scale = scale or "none"
        if self._scale not in SCALES:
            raise SettingError(f"scale = {scale!r} is not known; available: {', '.join(SCALES)}")
        for setting in one_hot or {}:
            if setting not in ONE_HOT:
                raise UnknownName("setting of one_hot", setting, ONE_HOT)
        limits = {**ONE_HOT, **(one_hot or {})}
        self._min_count = whole_number("one_hot.min_count", limits["min_count"], least=1)
        self._max_categories = whole_number("one_hot.max_categories", limits["max_categories"], least=1)
        self._with_categories = one_hot is not None
        self._fit_sample = whole_number("fit_sample", fit_sample, least=1)
        self._columns: list[Number | Category] = []

    def fit(self, blocks: Iterable[Items], *, rng: np.random.Generator) -> Self:
        items = sample(blocks, self._fit_sample, rng)
        if n_rows(items) == 0:
            raise DataError("there is no row in the pool to learn scales and categories from; add data")
        columns = (self._column(name, values) for name, values in sorted(items.items()))
        self._columns = [column for column in columns if column is not None]
        if not self._columns:
            raise DataError("all columns are categorical and one_hot is off; declare the one_hot step or add a number")
        return self

    def transform(self, items: Items) -> Matrix:
        ends = np.cumsum([0, *(column.width for column in self._columns)])
        out = np.empty((n_rows(items), ends[-1]), dtype=np.float32)
        for column, start, stop in zip(self._columns, ends, ends[1:], strict=False):
            if column.name not in items:
                raise DataError(f"column {column.name!r} is missing; available: {', '.join(sorted(items))}")
            column.write(items[column.name], out[:, start:stop])
        return out

    def state(self) -> dict[str, NDArray[Any]]:
        text = json.dumps([asdict(column) for column in self._columns])
        return {"columns": np.frombuffer(text.encode(), dtype=np.uint8)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        columns = json.loads(state["columns"].tobytes().decode())
        self._columns = [Category(**c) if "values" in c else Number(**c) for c in columns]
        return self

    def _column(self, name: str, values: Sequence[Any]) -> Number | Category | None:
        if not any(isinstance(value, str) for value in values):
            return self._number(name, values)
        return self._category(name, values) if self._with_categories else None

    def _number(self, name: str, values: Sequence[Any]) -> Number:
        numbers = _numbers(values)
        known = numbers[~np.isnan(numbers)]
        if len(known) == 0:
            return Number(name, 0.0, 0.0, 1.0, True)
        shift, scale = 0.0, 1.0
        if self._scale == "standard":
            shift, scale = float(known.mean()), float(known.std())
        elif self._scale == "minmax":
            shift, scale = float(known.min()), float(np.ptp(known))
        if scale <= 1e-12 * max(abs(shift), 1.0):  # a constant, whatever rounding made of its deviation
            scale = 1.0
        return Number(name, float(np.median(known)), shift, scale, len(known) < len(numbers))

    def _category(self, name: str, values: Sequence[Any]) -> Category:
        counts = Counter(v for v in values if v is not None)
        often = sorted((-count, value) for value, count in counts.items() if count >= self._min_count)
        return Category(name, sorted(value for _, value in often[: self._max_categories]))


def _numbers(values: Sequence[Any]) -> NDArray[np.float64]:
    """Infinite values count as missing, as None and NaN do."""
    numbers = np.array(values, dtype=np.float64)
    numbers[~np.isfinite(numbers)] = np.nan
    return numbers
