"""Quality against what it took: the learning curve, and what random sampling would have taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from querist.stages.reporting.charts.drawing import (
    GOAL,
    HALF,
    INK,
    OTHER,
    OURS,
    SOFT,
    WIDTH,
    Chart,
    altair,
    thinned,
    told,
)
from querist.stages.reporting.words import count, figure, interval, named

SERIES = {"this project": OURS, "random": OTHER}
MEASURED, FITTED = "measured", "extrapolated"
AXES = {"labels": "labels", "hours": "hours of labeling", "money": "money"}


def learning_curve(found: Mapping[str, Any], against: str = "labels") -> Chart | None:
    """The metric after each round against labels, hours or money, beside the baseline, the goal and the budget."""
    own = _own(found["rounds"], against)
    if not own:
        return None
    metric, objective = named(found["metric"]), found["objective"]
    base = _baseline(found, against)
    alt = altair()
    unit = objective["currency"] if against == "money" else AXES[against]
    x, y = _axes(alt, unit, metric)
    layers = [_band(alt, base, OTHER, x, y), *_random(alt, base, x, y)] if base else []
    layers += [_band(alt, own, OURS, x, y), _line(alt, own, OURS, x, y), _points(alt, own, x, y, metric, unit)]
    forecast = (found.get("savings") or {}).get("forecast")
    if against == "labels" and forecast:
        layers += _forecast(alt, forecast, own[-1], x, y)
    layers += _goal(alt, objective["goal"], y)
    layers += _budget(alt, objective.get(f"budget_{against}"), own, x)
    layers.append(_name(alt, {**own[-1], "value": own[-1]["high"]}, "this project", OURS, x, y))
    if base:
        layers.append(_name(alt, {**base[-1], "value": base[-1]["low"]}, "random", OTHER, x, y, dy=12))
    rows = [{"curve": "this project", against: r["x"], **_bounds(r), "round": r["round"], "how": MEASURED} for r in own]
    rows += [
        {"curve": "random", against: r["x"], **_bounds(r), "round": None, "how": MEASURED if r["measured"] else FITTED}
        for r in base
    ]
    title = f"{metric} against {AXES[against]}"
    words = _words(own, base, metric, unit, objective["goal"])
    width = WIDTH if against == "labels" else HALF
    return Chart(f"learning-curve-{against}", title, words, rows, alt.layer(*layers), width, SERIES if base else {})


def savings(found: Mapping[str, Any]) -> Chart | None:
    """How far to the right random sampling reaches the quality that this project has."""
    own, base = _own(found["rounds"], "labels"), _baseline(found, "labels")
    verdict = (found.get("savings") or {}).get("verdict") or {}
    random = verdict.get("random_labels")
    if not own or not base or not random or random.get("value") is None:
        return None
    alt = altair()
    metric, last = named(found["metric"]), own[-1]
    reached = verdict["value"] if verdict.get("value") is not None else last["value"]
    ours = verdict["labels"] if verdict.get("labels") is not None else last["x"]
    x, y = _axes(alt, "labels", metric)
    arrow = [{"x": ours, "end": random["value"], "value": reached}]
    head = "triangle-right" if random["value"] >= ours else "triangle-left"
    text = f"{count(ours)} → {count(random['value'])} labels"
    span = [{"x": random.get("low"), "end": random.get("high"), "value": reached}]
    layers = [_band(alt, base, OTHER, x, y), *_random(alt, base, x, y), _line(alt, own, OURS, x, y)]
    layers.append(_points(alt, own, x, y, metric, "labels"))
    if None not in span[0].values():
        layers.append(_rule(alt, span, OTHER, 7, 0.35, x, y))
    layers += [
        _rule(alt, arrow, INK, 2, 1.0, x, y),
        alt.Chart({"values": [{"x": random["value"], "value": reached}]})
        .mark_point(filled=True, size=110, color=INK, opacity=1)
        .encode(x=x, y=alt.Y("value:Q", **y), shape=alt.value(head), description=alt.value(f"random: {text}")),
        alt.Chart({"values": [{"x": (ours + random["value"]) / 2, "value": reached}]})
        .mark_text(dy=-12, fontWeight="bold")
        .encode(x=x, y=alt.Y("value:Q", **y), text=alt.value(text)),
        _name(alt, own[0], "this project", OURS, x, y, dx=8, dy=14, align="left"),
        _name(alt, {**base[-1], "value": base[-1]["low"]}, "random", OTHER, x, y, dy=12),
    ]
    words = f"{metric} {figure(reached)} took {count(ours)} labels here; random sampling reaches it at "
    words += count(random["value"])
    if None not in span[0].values():
        words += f" ({count(random['low'])} to {count(random['high'])})"
    elif random.get("low") is not None:
        words += f" (at least {count(random['low'])})"
    words += ", no difference beyond noise" if verdict["kind"] == "no_difference" else ""
    rows = [{"labels": ours, "random_labels": random["value"], "low": random.get("low"), "high": random.get("high")}]
    return Chart("savings", "Labels needed for equal quality", words + ".", rows, alt.layer(*layers), series=SERIES)


def _own(rounds: Sequence[Mapping[str, Any]], against: str) -> list[dict[str, Any]]:
    def spent(row: Mapping[str, Any]) -> float | None:
        return row["labels"] if against == "labels" else (row["spent"] or {}).get(against)

    found = [
        {"x": spent(r), "round": r["round"], **_bounds(r)}
        for r in rounds
        if r["value"] is not None and spent(r) is not None
    ]
    return thinned(found) if any(r["x"] for r in found) else []


def _baseline(found: Mapping[str, Any], against: str) -> list[dict[str, Any]]:
    """Random sampling's curve; its hours and money are what a label took in this project on average."""
    base = (found.get("savings") or {}).get("baseline")
    if not base or base["metric"] != found["metric"]:
        return []
    spent = next((r["spent"] for r in reversed(found["rounds"]) if r["spent"] and r["spent"]["labels"]), None)
    if against != "labels" and spent is None:
        return []
    each = 1.0 if against == "labels" or spent is None else spent[against] / spent["labels"]
    rows = zip(base["labels"], base["mean"], base["low"], base["high"], strict=True)
    known = base.get("measured_to")
    reach = base["labels"][-1] if known is None else max(known, _reach(found["savings"]))
    points = [
        {
            "x": n * each,
            "measured": known is None or n <= known,
            "value": v,
            "low": v if low is None else low,
            "high": v if high is None else high,
        }
        for n, v, low, high in rows
        if v is not None and n <= reach
    ]
    return thinned(points)


def _reach(savings: Mapping[str, Any]) -> float:
    """The largest number of labels that is spoken of: what is extrapolated beyond it would squeeze the rest."""
    verdict, forecast = savings["verdict"], savings["forecast"]
    needed = verdict["random_labels"] or {}
    said = [verdict["labels"], verdict["guess"], needed.get("value"), needed.get("high")]
    said += [forecast["at_labels"]] if forecast else []
    return max((n for n in said if n is not None), default=0.0)


def _bounds(row: Mapping[str, Any]) -> dict[str, float]:
    value = row["value"]
    low, high = row["low"], row["high"]
    return {"value": value, "low": value if low is None else low, "high": value if high is None else high}


def _band(alt: Any, rows: Any, colour: str, x: Any, y: Any) -> Any:  # Any: Altair has no types we could check
    band = alt.Chart({"values": rows}).mark_area(opacity=0.16, color=colour)
    return band.encode(x=x, y=alt.Y("low:Q", **y), y2="high:Q")


def _line(alt: Any, rows: Any, colour: str, x: Any, y: Any, *, dash: Sequence[int] = (1, 0)) -> Any:
    line = alt.Chart({"values": rows}).mark_line(color=colour, strokeWidth=2.5, strokeDash=list(dash))
    return line.encode(x=x, y=alt.Y("value:Q", **y))


def _random(alt: Any, base: Sequence[Mapping[str, Any]], x: Any, y: Any) -> list[Any]:
    """The part that was measured, and dotted what is extrapolated from it."""
    measured = [row for row in base if row["measured"]]
    beyond = [*measured[-1:], *(row for row in base if not row["measured"])]
    parts = ((measured, [5, 3]), (beyond, [1, 4]))
    return [_line(alt, part, OTHER, x, y, dash=dash) for part, dash in parts if len(part) > 1]


def _points(alt: Any, rows: Any, x: Any, y: Any, metric: str, unit: str) -> Any:
    def say(r: Mapping[str, Any]) -> str:
        return f"round {r['round']}: {metric} {interval(r['value'], r['low'], r['high'])}, {_amount(r['x'], unit)}"

    points = alt.Chart({"values": told(rows, say)}).mark_point(
        filled=True, size=46 if len(rows) < 40 else 14, color=OURS, opacity=1
    )
    return points.encode(x=x, y=alt.Y("value:Q", **y), description="told:N", tooltip="told:N")


def _forecast(alt: Any, forecast: Mapping[str, Any], last: Mapping[str, Any], x: Any, y: Any) -> list[Any]:
    end = {"x": forecast["at_labels"], "value": forecast["value"], "low": forecast["low"], "high": forecast["high"]}
    if end["value"] is None or end["x"] is None or end["x"] <= last["x"]:
        return []
    layers = [_line(alt, [{"x": last["x"], "value": last["value"]}, end], OURS, x, y, dash=[2, 4])]
    if end["low"] is not None and end["high"] is not None:
        bar = alt.Chart({"values": [end]}).mark_rule(color=OURS, strokeWidth=2)
        layers.append(bar.encode(x=x, y=alt.Y("low:Q", **y), y2="high:Q"))
    return [*layers, _name(alt, end, "forecast", OURS, x, y, dx=-6)]


def _goal(alt: Any, goal: float | None, y: Any) -> list[Any]:
    if goal is None:
        return []
    rule = alt.Chart({"values": [{"value": goal}]}).mark_rule(color=GOAL, strokeWidth=2, strokeDash=[8, 4])
    text = alt.Chart({"values": [{"value": goal}]}).mark_text(align="left", dy=-9, dx=4, color=GOAL)
    at = alt.Y("value:Q", **y)
    return [rule.encode(y=at), text.encode(y=at, x=alt.value(0), text=alt.value(f"goal {goal:g}"))]


def _budget(alt: Any, budget: float | None, own: Sequence[Mapping[str, Any]], x: Any) -> list[Any]:
    """A line at the end of the budget, where it is near enough that the curve is not squeezed to the left."""
    if budget is None or budget > 4 * own[-1]["x"]:
        return []
    rule = alt.Chart({"values": [{"x": budget}]}).mark_rule(color=SOFT, strokeWidth=2, strokeDash=[2, 3])
    text = alt.Chart({"values": [{"x": budget}]}).mark_text(align="right", dx=-5, dy=8, color=SOFT, baseline="top")
    return [rule.encode(x=x), text.encode(x=x, y=alt.value(0), text=alt.value("budget"))]


def _rule(alt: Any, rows: Any, colour: str, width: float, opacity: float, x: Any, y: Any) -> Any:
    rule = alt.Chart({"values": rows}).mark_rule(color=colour, strokeWidth=width, opacity=opacity)
    return rule.encode(x=x, x2="end:Q", y=alt.Y("value:Q", **y))


def _name(
    alt: Any,
    at: Mapping[str, Any],
    name: str,
    colour: str,
    x: Any,
    y: Any,
    *,
    dx: float = -2,
    dy: float = -10,
    align: str = "right",
) -> Any:
    text = alt.Chart({"values": [dict(at)]}).mark_text(color=colour, dx=dx, dy=dy, align=align, fontWeight="bold")
    return text.encode(x=x, y=alt.Y("value:Q", **y), text=alt.value(name))


def _amount(x: float, unit: str) -> str:
    return f"{count(x) if unit == 'labels' or abs(x) >= 20 else f'{x:,.2f}'} {unit}"


def _axes(alt: Any, unit: str, metric: str) -> tuple[Any, dict[str, Any]]:
    scale = alt.Scale(zero=False)
    return alt.X("x:Q", title=unit, scale=scale), {"title": metric, "scale": scale}


def _words(own: Any, base: Any, metric: str, unit: str, goal: float | None) -> str:
    first, last = own[0], own[-1]
    said = f"{metric} went from {interval(first['value'], first['low'], first['high'])} at {_amount(first['x'], unit)} "
    said += f"to {interval(last['value'], last['low'], last['high'])} at {_amount(last['x'], unit)}"
    if measured := [row for row in base if row["measured"]]:
        end = measured[-1]
        amount = _amount(end["x"], unit)
        said += f"; random sampling was measured up to {amount}: {interval(end['value'], end['low'], end['high'])}"
        said += ", and is extrapolated from there" if len(measured) < len(base) else ""
    return said + (f"; the goal is {goal:g}." if goal is not None else ".")
