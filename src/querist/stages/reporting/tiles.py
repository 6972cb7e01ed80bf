"""The figures that everybody looks at first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from querist.stages.reporting.words import count, figure, hours, money, named, percent

SOURCES = {
    "simulation": "a simulation on labeled data",
    "control": "a random control arm",
    "collected": "the labels collected so far",
}


class Tile(NamedTuple):
    title: str
    big: str
    small: str


def tiles(found: Mapping[str, Any]) -> list[Tile]:
    """Quality, labels, money and hours where they are known, and what was saved."""
    objective, spent = found["objective"], found["status"]["spent"]
    made = [_quality(found)]
    of = objective["budget_labels"]
    said = f"of {count(of)} in the budget" if of else "no budget of labels set"
    made.append(Tile("Labels asked and given", count(spent["labels"]), said))
    if spent["money"]:
        currency, of = objective["currency"], objective["budget_money"]
        said = f"of {money(of, currency)}" if of else f"{money(objective['cost_per_label'], currency)} a label"
        made.append(Tile("Money", money(spent["money"], currency), said))
    if spent["hours"]:
        of = objective["budget_hours"]
        said = f"of {hours(of)}" if of else "no budget of hours set"
        made.append(Tile("Time of people", hours(spent["hours"]), said))
    return [*made, _saved(found)]


def _quality(found: Mapping[str, Any]) -> Tile:
    last = found["status"]["last"]
    return Tile(named(found["metric"]), figure(last["value"]) if last else "not measured", "; ".join(_about(found)))


def _about(found: Mapping[str, Any]) -> Iterator[str]:
    first, last, goal = found["status"]["first"], found["status"]["last"], found["objective"]["goal"]
    if last and last["low"] is not None:
        yield f"between {figure(last['low'])} and {figure(last['high'])}"
    yield "no goal set" if goal is None else f"goal {goal}"
    if first and first["round"] != last["round"]:
        yield f"{figure(first['value'])} at the start"


def _saved(found: Mapping[str, Any]) -> Tile:
    kind, baseline = found["headline"]["kind"], found["savings"]["baseline"]
    share = (found["savings"]["verdict"]["share"] or {}) if kind == "saved" else {}
    value, low, high = (share.get(part) for part in ("value", "low", "high"))
    big = {"lost": "more labels", "no_difference": "no difference"}.get(kind, "cannot tell yet")
    if value is not None:
        big = f"{percent(value)} fewer"
    elif low is not None:
        big = f"at least {percent(low)} fewer"
    small = f"by {SOURCES[baseline['source']]}" if baseline else "no baseline recorded"
    if low is not None and high is not None:
        small = f"between {percent(low)} and {percent(high)}"
    return Tile("Against random sampling", big, small)
