"""Strategies side by side: mean curves with intervals over repeats, and each one paired with random sampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.stages.evaluation.metrics import higher_is_better

SHARES = (0.95, 0.99)


def compare(
    runs: Sequence[Mapping[str, Any]], full: Mapping[str, float], *, confidence: float = 0.95, baseline: str = "random"
) -> dict[str, Any]:
    """Per strategy: labels, and per metric the mean curve, its t-interval over repeats, its mean over the curve, the
    labels at which it first reaches 95 and 99 % of `full` (None: never), and the paired difference from `baseline`.

    `runs` hold strategy, repeat, labels and metrics {name: [value per point]}. Repeats share the seed set between
    strategies, so they are compared in pairs.
    """
    names = list(dict.fromkeys(run["strategy"] for run in runs))
    curves = {name: sorted((r for r in runs if r["strategy"] == name), key=lambda r: r["repeat"]) for name in names}
    return {
        name: {
            "labels": list(own[0]["labels"]),
            "repeats": len(own),
            "metrics": {
                metric: _metric(metric, own, curves.get(baseline), full.get(metric), confidence, name == baseline)
                for metric in own[0]["metrics"]
            },
        }
        for name, own in curves.items()
    }


def _metric(
    metric: str,
    own: Sequence[Mapping[str, Any]],
    base: Sequence[Mapping[str, Any]] | None,
    full: float | None,
    confidence: float,
    is_baseline: bool,
) -> dict[str, Any]:
    values = np.array([run["metrics"][metric] for run in own], dtype=float)
    mean = values.mean(axis=0)
    half = t_half_width(values, confidence)
    found: dict[str, Any] = {
        "mean": as_json(mean),
        "low": as_json(mean - half),
        "high": as_json(mean + half),
        "mean_of_curve": as_json(values.mean(keepdims=True).ravel())[0],
    }
    if full is not None and higher_is_better(metric):
        for share in SHARES:
            reached = np.flatnonzero(mean >= share * full)
            found[f"labels_to_{share:.0%}"] = int(own[0]["labels"][reached[0]]) if len(reached) else None
    if base is not None and not is_baseline:
        other = np.array([run["metrics"][metric] for run in base], dtype=float)
        sign = 1.0 if higher_is_better(metric) else -1.0
        found["against_random"] = paired(sign * (values.mean(axis=1) - other.mean(axis=1)), confidence)
    return found


def paired(differences: NDArray[np.float64], confidence: float) -> dict[str, Any]:
    """Mean of paired differences (positive: better), its t-interval, and a verdict that says when it is noise."""
    mean, pairs = float(differences.mean()), len(differences)
    if np.isnan(mean):
        undefined = {"difference": None, "wins": 0, "pairs": pairs, "low": None, "high": None}
        return {**undefined, "verdict": "undefined on this holdout"}
    wins = int((differences > 0).sum())
    found: dict[str, Any] = {"difference": mean, "wins": wins, "pairs": pairs, "low": None, "high": None}
    if pairs < 3:
        return {**found, "verdict": f"{pairs} repeats are too few to tell it from random; use at least 3"}
    half = float(t_half_width(differences[:, None], confidence)[0])
    low, high = mean - half, mean + half
    span = f"{mean:+.3f} over the curve ({low:+.3f} to {high:+.3f} at {confidence:.0%}, {pairs} pairs)"
    if low > 0:
        verdict = f"better than random: {span}"
    elif high < 0:
        verdict = f"worse than random: {span}; active learning does not help here"
    else:
        verdict = f"no difference from random beyond noise: {span}"
    return {**found, "low": low, "high": high, "verdict": verdict}


def as_json(values: NDArray[np.float64]) -> list[float | None]:
    """JSON has no NaN: None stands for what is not known."""
    return [None if np.isnan(v) else float(v) for v in values]


def t_half_width(values: NDArray[np.float64], confidence: float) -> NDArray[np.float64]:
    """Half width of Student's interval for the mean over the first axis; NaN where one row tells nothing of spread."""
    n = len(values)
    if n < 2:
        return np.full(values.shape[1], np.nan)
    from scipy.stats import t

    spread: NDArray[np.float64] = values.std(axis=0, ddof=1) / np.sqrt(n)
    return spread * float(t.ppf((1 + confidence) / 2, n - 1))
