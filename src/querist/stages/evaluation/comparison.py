"""Strategies side by side: mean curves with intervals over repeats, and each one paired with random sampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from querist.core.errors import ShapeError
from querist.stages.evaluation.metrics import higher_is_better
from querist.stages.evaluation.significance import (
    LEAST_PAIRS,
    LEAST_PAIRS_BY_SIGN,
    Floats,
    cohens_dz,
    holm,
    paired_t,
    signed_rank,
)

SHARES = (0.95, 0.99)
TEST = (
    "Paired t-test over the repeats, with Holm's correction over the strategies, for each metric by itself. Repeats "
    "share pool and holdout and differ in seed set and draws: the test speaks of this data, not of other data. It "
    "assumes that their differences are independent and about normally distributed; Wilcoxon's test, beside it, that "
    "they are symmetric."
)


def compare(
    runs: Sequence[Mapping[str, Any]], full: Mapping[str, float], *, confidence: float = 0.95, baseline: str = "random"
) -> dict[str, Any]:
    """Per strategy: labels, and per metric the mean curve, its t-interval over repeats, its mean over the curve, the
    labels at which it first reaches 95 and 99 % of `full` (None: never), and the paired difference from `baseline`.

    `runs` hold strategy, repeat, labels and metrics {name: [value per point]}. Repeats share the seed set between
    strategies, so they are compared in pairs; TEST says how, and what that can tell.
    """
    names = list(dict.fromkeys(run["strategy"] for run in runs))
    curves = {name: sorted((r for r in runs if r["strategy"] == name), key=lambda r: r["repeat"]) for name in names}
    found: dict[str, Any] = {
        name: {
            "labels": list(own[0]["labels"]),
            "repeats": len(own),
            "metrics": {metric: _metric(metric, own, full.get(metric), confidence) for metric in own[0]["metrics"]},
        }
        for name, own in curves.items()
    }
    others = [name for name in names if name != baseline] if baseline in curves else []
    for metric in curves[names[0]][0]["metrics"] if others else ():
        differences = [_differences(metric, curves[name], curves[baseline]) for name in others]
        for name, verdict in zip(others, against_random(differences, confidence), strict=True):
            found[name]["metrics"][metric]["against_random"] = verdict
    return found


def _metric(metric: str, own: Sequence[Mapping[str, Any]], full: float | None, confidence: float) -> dict[str, Any]:
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
    return found


def _differences(metric: str, own: Sequence[Mapping[str, Any]], base: Sequence[Mapping[str, Any]]) -> Floats:
    """(n_repeats,) how much better the mean over the curve is, repeat by repeat."""
    values, other = (np.array([r["metrics"][metric] for r in runs], dtype=float).mean(axis=1) for runs in (own, base))
    better: Floats = values - other if higher_is_better(metric) else other - values
    return better


def paired(differences: Floats, confidence: float) -> dict[str, Any]:
    """One strategy alone against random, as `against_random` says it of several."""
    return against_random([differences], confidence)[0]


def against_random(differences: Sequence[Floats], confidence: float) -> list[dict[str, Any]]:
    """Of each strategy's paired differences (positive: better): mean, t-interval, `p` and `p_holm`, and a verdict.

    "Better" or "worse" is said where Holm's correction over the strategies allows it: where all arms draw at random,
    any of them is called so in at most 1 - `confidence` of comparisons. The interval is that of the strategy alone.
    `wilcoxon_p` (None under six pairs) and Cohen's d_z stand beside it and decide nothing.
    """
    found = [_tested(values, confidence) for values in differences]
    known = [one for one in found if one["p"] is not None]
    for one, p in zip(known, holm([one["p"] for one in known]), strict=True):
        one["p_holm"] = p
    return [{**one, "verdict": one["verdict"] or _verdict(one, confidence, len(known))} for one in found]


def _tested(differences: Floats, confidence: float) -> dict[str, Any]:
    """All but the correction; a verdict where nothing can be tested."""
    mean, pairs = float(differences.mean()), len(differences)
    nothing = dict.fromkeys(("low", "high", "p", "p_holm", "wilcoxon_p", "effect"))
    found: dict[str, Any] = {"difference": mean, "wins": int((differences > 0).sum()), "pairs": pairs, **nothing}
    if np.isnan(mean):
        return {**found, "difference": None, "wins": 0, "verdict": "undefined on this holdout"}
    if pairs < LEAST_PAIRS:
        return {**found, "verdict": f"{pairs} repeats are too few to tell it from random; use at least {LEAST_PAIRS}"}
    half = float(t_half_width(differences[:, None], confidence)[0])
    found |= {"low": mean - half, "high": mean + half, "verdict": ""}
    try:
        found["p"] = paired_t(differences).p
    except ShapeError:
        return {**found, "verdict": f"all {pairs} repeats differ from random by {mean:+.3f}: they are one observation"}
    if differences.any():
        found["effect"] = vars(cohens_dz(differences, confidence=confidence))
    if np.count_nonzero(differences) >= LEAST_PAIRS_BY_SIGN:
        found["wilcoxon_p"] = signed_rank(differences).p
    return found


def _verdict(found: Mapping[str, Any], confidence: float, strategies: int) -> str:
    low, high, pairs = found["low"], found["high"], found["pairs"]
    of = f" after Holm's correction for {strategies} strategies" if strategies > 1 else ""
    span = (
        f"{found['difference']:+.3f} over the curve ({low:+.3f} to {high:+.3f} at {confidence:.0%}, {pairs} pairs, "
        f"{_p(found['p_holm'])}{of})"
    )
    if found["p_holm"] >= 1 - confidence:
        return f"no difference from random beyond noise: {span}"
    if found["difference"] > 0:
        return f"better than random: {span}"
    return f"worse than random: {span}; active learning does not help here"


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def as_json(values: Floats) -> list[float | None]:
    """JSON has no NaN: None stands for what is not known."""
    return [None if np.isnan(v) else float(v) for v in values]


def t_half_width(values: Floats, confidence: float) -> Floats:
    """Half width of Student's interval for the mean over the first axis; NaN where one row tells nothing of spread."""
    n = len(values)
    if n < 2:
        return np.full(values.shape[1], np.nan)
    from scipy.special import stdtrit

    spread: Floats = values.std(axis=0, ddof=1) / np.sqrt(n)
    return spread * float(stdtrit(n - 1, (1 + confidence) / 2))
