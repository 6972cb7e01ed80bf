"""What active learning saves against random sampling, what more labels bring, and whether to stop: on record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from querist.asking import items_left
from querist.config import Settings
from querist.pipeline.control import control_quality
from querist.pipeline.outlook import best_value, outlook, sign_of, stopping
from querist.pipeline.random_curves import RandomCurve, random_curves
from querist.stages.evaluation import savings as figures
from querist.stages.evaluation.metrics import bounds
from querist.stages.evaluation.step import spending
from querist.stages.reporting import verdicts
from querist.store.analyses import list_analyses
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
class Judged:
    """A curve of random sampling held against what was reached."""

    found: RandomCurve
    band: figures.Band
    needed: figures.Needed
    kind: figures.Kind


def savings(project: Project) -> dict[str, Any]:
    """Baseline, verdict, cost of a point of quality, forecast, stopping advice and control arm; None where unknown."""
    settings = project.settings
    objective = settings.objective
    with project.ledger.read() as tx:
        rounds = list_metrics(tx, name=objective.metric)
        steps, asked = list_steps(tx), effort(tx)
        simulations, baselines = (list_analyses(tx, kind, last=RECENT) for kind in ("simulation", "baseline"))
        snapshot = current_snapshot(tx)
    evaluated = [s for s in steps if s.name == "evaluation"]
    spent, rates = spending(asked, objective), _rates(asked, settings)
    pool_left = int(evaluated[-1].result["pool_left"]) if evaluated else 0
    curves = random_curves(simulations, baselines, settings, snapshot)
    judged = [_judge(found, rounds[-1], settings) for found in curves] if rounds else []
    chosen = next((j for j in judged if j.kind != "unknown"), judged[0] if judged else None)
    return {
        "baseline": None if chosen is None else _baseline(chosen, objective.metric),
        "verdict": _verdict(chosen, rounds, rates, settings),
        "cost_per_point": _cost_per_point(rounds, rates),
        "forecast": outlook(rounds, items_left(asked, settings), pool_left, settings),
        "stopping": stopping(project, rounds[-1] if rounds else None, spent) if evaluated else [],
        "control": control_quality(project, steps),
    }


def _judge(found: RandomCurve, newest: Metric, settings: Settings) -> Judged:
    sign = sign_of(newest.name)
    random = figures.extrapolate(found.baseline, FURTHER * newest.n_labels, limit=best_value(newest.name))
    band = figures.band(random, settings.evaluation.confidence)
    needed = figures.labels_needed(band, sign * newest.value)
    return Judged(found, band, needed, figures.judge(needed, newest.n_labels, band, random.measured_to))


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


def _verdict(judged: Judged | None, rounds: Sequence[Metric], rates: Rates, settings: Settings) -> dict[str, Any]:
    found: dict[str, Any] = dict.fromkeys(("value", "labels", "random_labels", "share", "money", "hours"))
    if not rounds:
        return {"kind": "unknown", **found, "sentence": verdicts.unknown(None, "no round has been measured yet")}
    newest = rounds[-1]
    first = rounds[0].value if len(rounds) > 1 else None
    reached = verdicts.Reached(newest.name, first, newest.value, newest.n_labels)
    found |= {"value": newest.value, "labels": newest.n_labels}
    if judged is None:
        why = "there is no curve of random sampling to hold it against; run `querist baseline`"
        return {"kind": "unknown", **found, "sentence": verdicts.unknown(reached, why)}
    needed, share = judged.needed, asdict(figures.share_saved(judged.needed, newest.n_labels))
    if judged.kind in ("saved", "lost"):
        gain = asdict(figures.labels_saved(needed, newest.n_labels))
        found |= {"money": _times(gain, rates.money), "hours": _times(gain, rates.hours)}
        if found["money"] is not None:
            found["money"]["currency"] = settings.objective.currency
    if judged.kind != "unknown":
        found |= {"random_labels": asdict(needed), "share": share}
    return {"kind": judged.kind, **found, "sentence": _sentence(judged, reached, found, settings)}


def _sentence(judged: Judged, reached: verdicts.Reached, found: dict[str, Any], settings: Settings) -> str:
    band = judged.band
    match judged.kind:
        case "saved":
            gains = verdicts.gains(found["money"], found["hours"], settings.objective.currency)
            return verdicts.saved(reached, found["random_labels"], found["share"], gains, float(band.labels[-1]))
        case "lost":
            return verdicts.lost(reached, found["random_labels"])
        case "no_difference":
            sign = sign_of(reached.metric)
            mean, low, high = (sign * value for value in figures.at(band, reached.labels))
            return verdicts.no_difference(reached, (mean, min(low, high), max(low, high)), found["share"])
        case _:
            return verdicts.unknown(reached, _why_unknown(judged, reached.labels))


def _why_unknown(judged: Judged, labels: int) -> str:
    band, measured_to = judged.band, judged.found.baseline.measured_to
    if labels < band.labels[0]:
        return f"the curve of random sampling begins at {band.labels[0]:,.0f} labels"
    if labels > band.labels[-1]:
        return f"the curve of random sampling ends at {band.labels[-1]:,.0f} labels"
    return (
        f"random sampling was measured up to {measured_to:,.0f} labels, and its extrapolated curve leaves both open: "
        f"{_or_more(judged.needed.low, band)} to {_or_more(judged.needed.high, band)} labels for the same quality"
    )


def _or_more(labels: float | None, band: figures.Band) -> str:
    return f"more than {band.labels[-1]:,.0f}" if labels is None else f"{labels:,.0f}"


def _cost_per_point(rounds: Sequence[Metric], rates: Rates) -> dict[str, float | None] | None:
    """Labels, money and hours for 0.01 of the metric, from the first measured round to the newest."""
    if len(rounds) < 2:
        return None
    gain = sign_of(rounds[0].name) * (rounds[-1].value - rounds[0].value)
    labels = rounds[-1].n_labels - rounds[0].n_labels
    if gain <= 0 or labels <= 0:
        return None
    each = labels * POINT / gain
    return {
        "labels": each,
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
