"""Thresholds from the reference itself: windows of the actual size are drawn from it, and tests are judged together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import DataError
from querist.stages.monitoring.sample import Sample
from querist.stages.monitoring.views import View

DRAWS = 1_000
LEAST_DRAWS = 400
"""With 100 draws a level of 1 % came out as 10 %."""
LEAST_WINDOW = 30
BLOCK_DRAWS = 100


@dataclass(frozen=True)
class Calibration:
    """What windows of `size` items without drift look like: `null` (n_draws, n_tests), a column for each of `names`.

    `level` is the chance that any of the `deciding` tests exceeds its threshold in a window without drift.
    """

    names: tuple[str, ...]
    deciding: tuple[str, ...]
    size: int
    level: float
    null: NDArray[np.float64]

    @property
    def share(self) -> float:
        """The level of each deciding test, such that all together keep `level`: minimum-p. Westfall and Young, 1993.

        Exact with any number of draws, the window itself being one more of them.
        """
        smallest, n = np.sort(self._smallest), len(self.null)
        allowed = max(int(self.level * (n + 1) + 1e-9) - 1, 0)
        # The largest p that at most `allowed` draws reach; equal ones stay out together.
        reached = smallest[smallest < smallest[allowed]] if allowed < n else smallest
        return float(reached[-1]) if len(reached) else 1 / (n + 1)

    def thresholds(self) -> dict[str, float]:
        """The value that a test must exceed to say drift; a test that does not decide has that of `level` alone."""
        share = {name: self.share if name in self.deciding else self.level for name in self.names}
        ordered = np.sort(self.null, axis=0)
        n = len(ordered)
        # p <= s, with p = (1 + draws at or above the value) / (n + 1), leaves room for so many draws above it.
        return {
            name: float(ordered[min(n - max(int(share[name] * (n + 1) + 1e-9), 1), n - 1), at])
            for at, name in enumerate(self.names)
        }

    def judge(self, values: Mapping[str, float]) -> Judgement:
        observed = np.array([values[name] for name in self.names])
        limits = self.thresholds()
        p = self._p(observed[None])[0]
        together = (1 + int((self._smallest <= p[self._deciding].min()).sum())) / (len(self.null) + 1)
        over = tuple(name for name in self.deciding if values[name] > limits[name])
        return Judgement(dict(zip(self.names, p.tolist(), strict=True)), limits, together, over)

    @property
    def _smallest(self) -> NDArray[np.float64]:
        """(n_draws,) the smallest p of the deciding tests in each draw, by its rank among all draws."""
        n = len(self.null)
        p = (self._p(self.null) * (n + 1) - 1) / n
        return np.asarray(p[:, self._deciding].min(axis=1))

    @property
    def _deciding(self) -> list[int]:
        return [self.names.index(name) for name in self.deciding]

    def _p(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(k, n_tests) the share of draws at least as large, the observed one among them. Phipson and Smyth, 2010."""
        n = len(self.null)
        found = np.empty(values.shape)
        for at, column in enumerate(np.sort(self.null, axis=0).T):
            found[:, at] = (1 + n - np.searchsorted(column, values[:, at], side="left")) / (n + 1)
        return found


@dataclass(frozen=True)
class Judgement:
    """By test its p and its threshold, the p of all deciding tests together, and those that are over."""

    p: Mapping[str, float]
    thresholds: Mapping[str, float]
    together: float
    over: tuple[str, ...]


def window_size(asked: int, n_reference: int) -> int:
    """The window that the reference can judge: at most half of it. Raises DataError where that says nothing."""
    size = min(asked, n_reference // 2)
    if size < LEAST_WINDOW:
        raise DataError(
            f"windows of {size} items tell nothing, {LEAST_WINDOW} is the least: the window asked for is {asked}, and "
            f"the reference of the model holds {n_reference} items, of which at most half can be a window"
        )
    return size


def calibrate(
    reference: Sample,
    tests: Mapping[str, View],
    deciding: tuple[str, ...],
    size: int,
    *,
    level: float,
    draws: int = DRAWS,
    consecutive: bool = False,
    rng: np.random.Generator,
) -> Calibration:
    """Draws windows of `size` out of the reference and compares each with the rest of it.

    `consecutive` draws runs of neighbours instead of single items, for data whose neighbours are alike; the reference
    must then be in order (moving blocks; Kuensch, 1989). O(draws n_reference n_features).
    """
    features = {name: view.features(reference) for name, view in tests.items()}
    totals = {name: found.sum(axis=0, dtype=np.float64) for name, found in features.items()}
    n, parts = len(reference), []
    for start in range(0, draws, BLOCK_DRAWS):
        drawn = _draw(n, size, min(BLOCK_DRAWS, draws - start), consecutive, rng)
        columns = []
        for name, view in tests.items():
            inside = (drawn @ features[name]).astype(np.float64)
            columns.append(view.compare((totals[name] - inside) / (n - size), inside / size, n - size, size))
        parts.append(np.column_stack(columns))
    return Calibration(tuple(tests), deciding, size, level, np.concatenate(parts))


def confirm(
    found: Judgement,
    calibration: Calibration,
    reference: Sample,
    window: Sample,
    tests: Mapping[str, View],
    values: Mapping[str, float],
    rng: np.random.Generator,
) -> Judgement:
    """What is over its threshold also by a permutation test of reference and window together.

    The reference alone cannot tell how often something comes that it happens not to hold: a rare class, a rare word.
    Exact where items are exchangeable. Pitman, 1937.
    """
    pooled, size = reference.join(window), len(window)
    level, draws = calibration.level, len(calibration.null)
    again = calibrate(pooled, tests, calibration.deciding, size, level=level, draws=draws, rng=rng).judge(values)
    over = tuple(name for name in found.over if name in again.over)
    return replace(found, together=max(found.together, again.together), over=over)


def values_of(reference: Sample, window: Sample, tests: Mapping[str, View]) -> dict[str, float]:
    """Each test's statistic of one window."""
    found = {}
    for name, view in tests.items():
        before, now = (view.features(sample).mean(axis=0, dtype=np.float64) for sample in (reference, window))
        found[name] = float(view.compare(before, now, len(reference), len(window)))
    return found


def _draw(n: int, size: int, draws: int, consecutive: bool, rng: np.random.Generator) -> NDArray[np.float32]:
    """(draws, n) 1 for each item of a window, the same windows for every test, so that what they say goes together."""
    drawn = np.zeros((draws, n), dtype=np.float32)
    for row in drawn:
        if consecutive:
            first = int(rng.integers(n - size + 1))
            row[first : first + size] = 1
        else:
            row[rng.choice(n, size, replace=False)] = 1
    return drawn
