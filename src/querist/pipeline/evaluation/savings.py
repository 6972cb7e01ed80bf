"""What active learning saves against random sampling, what more labels bring, and whether to stop: on record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import hypot, isfinite
from typing import TYPE_CHECKING, Any

from querist.asking import items_left
from querist.config import Settings
from querist.pipeline.evaluation.control import control_quality
from querist.pipeline.evaluation.outlook import best_value, outlook, sign_of, stopping
from querist.pipeline.evaluation.random_curves import RandomCurve, holdout_key, random_curves, too_few
from querist.stages.evaluation import savings as figures
from querist.stages.evaluation.bounded import Bounded
from querist.stages.evaluation.metrics import bounds, items_behind
from querist.stages.evaluation.step import spending
from querist.stages.reporting import verdicts
from querist.store.analyses import Analysis, list_analyses
from querist.store.annotations import Effort, effort
from querist.store.models import Metric, current_snapshot, list_metrics
from querist.store.steps import list_steps

if TYPE_CHECKING:
    from querist.pipeline.project import Project

FURTHER = 4
"""Times the labels of now to which a baseline is extrapolated."""
POINT = 0.01
RECENT = 20


@dataclass(frozen=True)
class Rates:
    """What one more labeled item takes; None where nobody knows."""

    money: float | None
    hours: float | None


@dataclass(frozen=True)
class Holdout:
    """What the newest model was measured on; `n_items` are those that the metric's value rests on."""

    key: str
    n_items: float


@dataclass(frozen=True)
class Judged:
    """A curve of random sampling held against what was reached, and why nothing can be said of it."""

    found: RandomCurve
    band: figures.Band
    said: figures.Judged
    why: str

    @property
    def kind(self) -> figures.Kind:
        return "unknown" if self.why else self.said.kind


def savings(project: Project, asked: Effort | None = None) -> dict[str, Any]:
    """Baseline, verdict, cost of a point of quality, forecast, stopping advice and control arm; None where unknown.

    `asked` is for those who know already what was asked of people.
    """
    settings = project.settings
    objective = settings.objective
    with project.ledger.read() as tx:
        rounds = list_metrics(tx, name=objective.metric)
        steps, asked = list_steps(tx), asked or effort(tx)
        simulations, baselines = (list_analyses(tx, kind, last=RECENT) for kind in ("simulation", "baseline"))
        snapshot, measured = current_snapshot(tx), list_analyses(tx, "evaluation", last=1)
    evaluated = [s for s in steps if s.name == "evaluation"]
    spent, rates = spending(asked, objective), _rates(asked, settings)
    pool_left = int(evaluated[-1].result["pool_left"]) if evaluated else 0
    curves = random_curves(simulations, baselines, settings, snapshot)
    enough = [found for found in curves if not too_few(found)] if rounds else []
    holdout = _holdout(project, measured[-1], objective.metric) if enough and measured else None
    judged = [_judge(found, rounds[-1], settings, holdout) for found in enough]
    chosen = next((j for j in judged if j.kind != "unknown"), judged[0] if judged else None)
    return {
        "baseline": None if chosen is None else _baseline(chosen, objective.metric),
        "verdict": _verdict(chosen, rounds, rates, settings, len(curves) - len(enough)),
        "cost_per_point": _cost_per_point(rounds, rates),
        "forecast": outlook(rounds, items_left(asked, settings), pool_left, settings),
        "stopping": stopping(project, rounds[-1] if rounds else None, spent) if evaluated else [],
        "control": control_quality(project, steps),
    }


def _judge(found: RandomCurve, newest: Metric, settings: Settings, holdout: Holdout | None) -> Judged:
    sign, labels = sign_of(newest.name), newest.n_labels
    known = found.baseline if holdout is None else replace(found.baseline, bounded=_bounded(newest.name, holdout))
    random = figures.extrapolate(known, FURTHER * labels, limit=best_value(newest.name))
    band = figures.band(random, settings.evaluation.confidence)
    said = figures.judge(band, sign * newest.value, labels)
    return Judged(found, band, said, _why_unknown(found, said, holdout))


def _holdout(project: Project, measured: Analysis, metric: str) -> Holdout:
    arrays = project.artifacts.get_arrays(measured.result["predictions"])
    codes, classes = arrays["codes"], measured.result["classes"]
    return Holdout(holdout_key(arrays["positions"], codes, classes), items_behind(metric, codes, classes))


def _bounded(metric: str, holdout: Holdout) -> Bounded | None:
    """The scale of the metric's values as they are read here, higher-is-better; None where it has no bounds."""
    least, largest = sorted(sign_of(metric) * bound for bound in bounds(metric))
    return Bounded(least, largest, holdout.n_items) if isfinite(largest - least) else None


def _why_unknown(found: RandomCurve, said: figures.Judged, holdout: Holdout | None) -> str:
    if found.holdout != (holdout and holdout.key):
        again = "querist simulate" if found.source == "simulation" else "querist baseline"
        return f"the curve of random sampling was measured on another holdout than the newest model; repeat `{again}`"
    first, measured_to = found.baseline.labels[0], found.baseline.measured_to
    guess = "" if said.guess is None else f"; by an extrapolated curve it needs about {said.guess:,.0f} for the same"
    return {
        "": "",
        "begins": f"the curve of random sampling begins at {first:,.0f} labels",
        "falls": "the curve of random sampling falls, and cannot be read backwards",
        "undefined": "what was reached is no number",
        "extrapolated": f"random sampling was measured up to {measured_to:,.0f} labels, and not further{guess}",
    }[said.why]


def _baseline(judged: Judged, metric: str) -> dict[str, Any]:
    sign, band, (least, largest) = sign_of(metric), judged.band, bounds(metric)
    low, high = (band.low, band.high) if sign > 0 else (band.high, band.low)
    return {
        "source": judged.found.source,
        "how": judged.found.how,
        "cannot_tell": judged.found.cannot_tell,
        "metric": metric,
        "measured_to": float(judged.found.baseline.measured_to),
        "labels": band.labels.tolist(),
        "mean": (sign * band.mean).tolist(),
        "low": (sign * low).clip(least, largest).tolist(),
        "high": (sign * high).clip(least, largest).tolist(),
    }


def _verdict(
    judged: Judged | None, rounds: Sequence[Metric], rates: Rates, settings: Settings, n_short: int
) -> dict[str, Any]:
    names = ("value", "labels", "random_value", "random_labels", "guess", "share", "money", "hours")
    found: dict[str, Any] = dict.fromkeys(names)
    if not rounds:
        return {"kind": "unknown", **found, "sentence": verdicts.unknown(None, "no round has been measured yet")}
    newest = rounds[-1]
    first = rounds[0].value if len(rounds) > 1 else None
    reached = verdicts.Reached(newest.name, first, newest.value, newest.n_labels)
    found |= {"value": newest.value, "labels": newest.n_labels}
    if judged is None:
        none = "there is no curve of random sampling to hold it against; run `querist baseline`"
        few = f"a simulation needs {figures.LEAST_REPEATS} repeats of random sampling at least, to tell how runs differ"
        return {"kind": "unknown", **found, "sentence": verdicts.unknown(reached, few if n_short else none)}
    found["guess"] = judged.said.guess
    if judged.kind == "unknown":
        return {"kind": "unknown", **found, "sentence": verdicts.unknown(reached, judged.why)}
    needed = judged.said.needed
    if judged.kind in ("saved", "lost"):
        gain = asdict(figures.labels_saved(needed, newest.n_labels))
        found |= {"money": _times(gain, rates.money), "hours": _times(gain, rates.hours)}
        if found["money"] is not None:
            found["money"]["currency"] = settings.objective.currency
    found |= {"random_labels": asdict(needed), "share": asdict(figures.share_saved(needed, newest.n_labels))}
    once = True
    if judged.kind == "no_difference":
        found["random_value"], once = _random_value(judged, reached)
    return {"kind": judged.kind, **found, "sentence": _sentence(judged, reached, found, settings, once=once)}


def _sentence(
    judged: Judged, reached: verdicts.Reached, found: dict[str, Any], settings: Settings, *, once: bool
) -> str:
    match judged.kind:
        case "saved":
            gains = verdicts.gains(found["money"], found["hours"], settings.objective.currency)
            return verdicts.saved(reached, found["random_labels"], found["share"], gains, judged.said.guess)
        case "lost":
            return verdicts.lost(reached, found["random_labels"])
        case _:
            return verdicts.no_difference(reached, found["random_value"], found["share"], once=once)


def _random_value(judged: Judged, reached: verdicts.Reached) -> tuple[dict[str, float], bool]:
    """What random sampling has with as many labels, by the band of one look where the value lies in it (True), else
    by that of looks after every round."""
    sign = sign_of(reached.metric)
    _, low, high = figures.at(judged.band, reached.labels)
    once = low <= sign * reached.value <= high
    band = judged.band if once else figures.whole(judged.band)
    least, most = bounds(reached.metric)
    mean, low, high = (min(max(sign * value, least), most) for value in figures.at(band, reached.labels))
    return {"value": mean, "low": min(low, high), "high": max(low, high)}, once


def _cost_per_point(rounds: Sequence[Metric], rates: Rates) -> dict[str, float | None] | None:
    """Labels (with their interval), money and hours for 0.01 of the metric, from the first measured round to the
    newest; None where that gain is no more than what its measurements can be off by. They share a holdout, and are
    taken as if they did not: the interval is rather too wide."""
    if len(rounds) < 2:
        return None
    first, newest = rounds[0], rounds[-1]
    gain = sign_of(first.name) * (newest.value - first.value)
    labels = newest.n_labels - first.n_labels
    off = [(m.high - m.low) / 2 for m in (first, newest) if m.low is not None and m.high is not None]
    if len(off) < 2 or gain <= hypot(*off) or labels <= 0:
        return None
    each, error = labels * POINT / gain, hypot(*off)
    return {
        "labels": each,
        "labels_low": labels * POINT / (gain + error),
        "labels_high": labels * POINT / (gain - error),
        "money": None if rates.money is None else each * rates.money,
        "hours": None if rates.hours is None else each * rates.hours,
    }


def _rates(asked: Effort, settings: Settings) -> Rates:
    """Of an item: the price of its answers, and the time that people measurably took for an answer."""
    objective, labeling = settings.objective, settings.labeling
    answers = 1 + (labeling.overlap - 1) * labeling.overlap_share
    timed = spending(asked, objective)
    hours = timed.hours / timed.labels if timed.labels and timed.hours else None
    return Rates(
        money=None if not objective.cost_per_label else answers * objective.cost_per_label,
        hours=None if hours is None else answers * hours,
    )


def _times(bounds: dict[str, float | None], rate: float | None) -> dict[str, Any] | None:
    if rate is None:
        return None
    return {name: None if value is None else value * rate for name, value in bounds.items()}
