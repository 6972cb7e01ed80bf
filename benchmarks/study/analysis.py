"""From runs to areas under learning curves and what may be said about them: pure functions on arrays and dicts."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cells import FULL
from numpy.typing import NDArray

BASELINE = "random"
LEVEL = 0.05
LEAST_PAIRS = 3
LEAST_PAIRS_WILCOXON = 6
"""With five pairs its smallest two-sided p is 0.06."""

Cell = tuple[str, str, str]
"""Set, features, regime."""


@dataclass(frozen=True)
class Curve:
    """One strategy in one cell: `labels` (points,), `values` (repeats, points) in the order of `repeats`."""

    labels: NDArray[np.float64]
    values: NDArray[np.float64]
    repeats: tuple[int, ...]

    @property
    def areas(self) -> NDArray[np.float64]:
        """(repeats,) mean height of each curve, from 0 to 1."""
        return area(self.labels, self.values)


@dataclass(frozen=True)
class Verdict:
    """A strategy against random on one cell: `difference` in area and `p` of the paired t-test, after Holm; `wilcoxon`
    is its uncorrected companion (None: too few pairs), `loss` per cent of the area of the best strategy with hindsight,
    `fair_loss` of the one that the other repeats would have made one choose (of those played on all of them)."""

    area: float
    pairs: int
    difference: float
    p: float
    wilcoxon: float | None
    loss: float
    fair_loss: float
    rank: float

    @property
    def sign(self) -> int:
        """1 better than random, -1 worse, 0 not told apart."""
        return int(np.sign(self.difference)) if self.p < LEVEL else 0


def area(labels: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Trapezoids over the labels, divided by their span; values are (..., points)."""
    if len(labels) == 1:
        return values[..., 0]
    found: NDArray[np.float64] = np.trapezoid(values, labels, axis=-1) / (labels[-1] - labels[0])
    return found


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given. Holm, 1979."""
    order = np.argsort(p)
    steps = np.asarray(p)[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(value) for value in adjusted]


def read_runs(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """The last line of each run counts; a line that a kill cut short is passed over."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for path in paths:
        data = path.read_bytes()
        for line in (gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines():
            try:
                run = json.loads(line)
            except json.JSONDecodeError:
                continue
            found[run["set"], run["features"], run["regime"], run["strategy"], run["repeat"]] = run
    return list(found.values())


def curves(runs: Iterable[Mapping[str, Any]], metric: str) -> dict[Cell, dict[str, Curve]]:
    grouped: dict[Cell, dict[str, list[Mapping[str, Any]]]] = {}
    for run in runs:
        if "error" not in run:
            cell = grouped.setdefault((run["set"], run["features"], run["regime"]), {})
            cell.setdefault(run["strategy"], []).append(run)
    return {cell: {name: _curve(own, metric) for name, own in found.items()} for cell, found in grouped.items()}


def _curve(runs: list[Mapping[str, Any]], metric: str) -> Curve:
    runs = sorted(runs, key=lambda run: run["repeat"])
    values = np.array([run["metrics"][metric] for run in runs], dtype=float)
    return Curve(np.array(runs[0]["labels"], dtype=float), values, tuple(run["repeat"] for run in runs))


def judge(cell: Mapping[str, Curve], *, among_best: Iterable[str] | None = None) -> dict[str, Verdict]:
    """Each strategy with at least LEAST_PAIRS repeats in common with random; `among_best` may be the best one (None:
    any)."""
    from scipy.stats import rankdata

    base = cell.get(BASELINE)
    if base is None or len(base.repeats) < LEAST_PAIRS:
        return {}
    shared = {name: sorted(set(curve.repeats) & set(base.repeats)) for name, curve in cell.items() if name != FULL}
    names = [name for name, repeats in shared.items() if len(repeats) >= LEAST_PAIRS]
    own = {name: _at(cell[name], shared[name]) for name in names}
    differences = {name: own[name] - _at(base, shared[name]) for name in names}
    mean = levels({name: dict(zip(shared[name], own[name].tolist(), strict=True)) for name in names})
    others = [name for name in names if name != BASELINE]
    adjusted = dict(zip(others, holm([_t_test(differences[name]) for name in others]), strict=True))
    able = [name for name in names if among_best is None or name in among_best]
    best = max((mean[name] for name in able), default=np.nan)
    fair = chosen_by_others(np.stack([own[name] for name in able if len(own[name]) == len(base.repeats)]))
    ranks = dict(zip(names, rankdata([-mean[name] for name in names]), strict=True))
    return {
        name: Verdict(
            area=mean[name],
            pairs=len(shared[name]),
            difference=float(differences[name].mean()),
            p=adjusted.get(name, 1.0),
            wilcoxon=_wilcoxon(differences[name]),
            loss=100 * (best - mean[name]) / best,
            fair_loss=100 * (fair - mean[name]) / fair,
            rank=float(ranks[name]),
        )
        for name in names
    }


def levels(areas: Mapping[str, Mapping[int, float]]) -> dict[str, float]:
    """The mean of each strategy over all repeats, those that it did not play included: {strategy: {repeat: area}}.

    An area is taken as the strategy's level and the repeat's (least squares), so that a strategy that was played on
    some repeats only is not judged by their seeds.
    """
    names, repeats = list(areas), sorted({repeat for own in areas.values() for repeat in own})
    played = [(names.index(name), repeats.index(repeat)) for name in names for repeat in areas[name]]
    design = np.zeros((len(played), len(names) + len(repeats)))
    for row, (name, repeat) in enumerate(played):
        design[row, [name, len(names) + repeat]] = 1
    found = np.linalg.lstsq(design, np.array([area for own in areas.values() for area in own.values()]))[0]
    return dict(zip(names, (found[: len(names)] + found[len(names) :].mean()).tolist(), strict=True))


def lost(own: Curve, best: Curve) -> tuple[float, float, int]:
    """Per cent of the best one's area that the own one lacks, its standard error, and the repeats of both."""
    repeats = sorted(set(own.repeats) & set(best.repeats))
    theirs = _at(best, repeats)
    lacks = 100 * (theirs - _at(own, repeats)) / theirs.mean()
    return float(lacks.mean()), float(lacks.std(ddof=1) / np.sqrt(len(repeats))), len(repeats)


def chosen_by_others(areas: NDArray[np.float64]) -> float:
    """Mean over the repeats of the area of the strategy that is best on all other repeats; areas are (strategies,
    repeats). The best of twenty with hindsight is flattered by its luck; this one is not.
    """
    others = areas.sum(axis=1, keepdims=True) - areas
    return float(areas[others.argmax(axis=0), np.arange(areas.shape[1])].mean())


def _at(curve: Curve, repeats: Sequence[int]) -> NDArray[np.float64]:
    return curve.areas[[curve.repeats.index(repeat) for repeat in repeats]]


def _t_test(differences: NDArray[np.float64]) -> float:
    from scipy.stats import ttest_1samp

    if np.ptp(differences) == 0:
        return 1.0 if differences[0] == 0 else 0.0
    return float(ttest_1samp(differences, 0).pvalue)


def _wilcoxon(differences: NDArray[np.float64]) -> float | None:
    from scipy.stats import wilcoxon

    if len(differences) < LEAST_PAIRS_WILCOXON or not differences.any():
        return None
    return float(wilcoxon(differences).pvalue)
