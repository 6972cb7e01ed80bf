"""How good the model is, where it errs, and how far its probabilities can be believed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from querist.stages.reporting.charts.drawing import (
    GOAL,
    HALF,
    INK,
    OTHER,
    OURS,
    SOFT,
    THIRD,
    Chart,
    altair,
    thinned,
    told,
)
from querist.stages.reporting.words import figure, interval, percent

MOST_CLASSES = 15
MOST_LINES = 6
BY_DECISION = " Items have several labels: each decision about a label counts by itself."
COLOURS = (OURS, OTHER, GOAL, THIRD, INK, SOFT)


def confusion(found: Mapping[str, Any]) -> Chart | None:
    """Counts of true against predicted class, as shades; of many classes, those that are mixed up most."""
    quality = found["quality"]
    if not quality or not quality["confusion"]["classes"]:
        return None
    classes, counts = quality["confusion"]["classes"], quality["confusion"]["counts"]
    wrong = [sum(row) + sum(r[at] for r in counts) - 2 * row[at] for at, row in enumerate(counts)]
    shown = sorted(sorted(range(len(classes)), key=lambda at: -wrong[at])[:MOST_CLASSES])
    rows = [
        {
            "true": classes[i],
            "predicted": classes[j],
            "items": counts[i][j],
            "share": counts[i][j] / (sum(counts[i]) or 1),
        }
        for i in shown
        for j in shown
    ]
    alt = altair()
    order = [classes[at] for at in shown]
    said = told(rows, lambda r: f"{r['true']}, predicted as {r['predicted']}: {r['items']:,} items")
    base = alt.Chart({"values": said}).encode(
        x=alt.X("predicted:N", sort=order, title="predicted", axis=alt.Axis(labelAngle=-40, labelLimit=120)),
        y=alt.Y("true:N", sort=order, title="true", axis=alt.Axis(labelLimit=120)),
    )
    shade = alt.Opacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0.02, 0.6]), legend=None)
    cells = base.mark_rect(color=OURS).encode(opacity=shade, description="told:N")
    text = base.mark_text(fontSize=13 if len(order) < 9 else 10).encode(text=alt.Text("items:Q", format=",d"))
    worst = max((r for r in rows if r["true"] != r["predicted"]), key=lambda r: r["items"], default=None)
    words = f"{percent(sum(counts[i][i] for i in range(len(classes))) / (sum(map(sum, counts)) or 1))} are right"
    if worst and worst["items"]:
        words += f"; most often {worst['true']} is taken for {worst['predicted']}: {worst['items']:,} items"
    left_out = f" The {len(order)} of {len(classes)} classes with most errors." if len(order) < len(classes) else ""
    return Chart("confusion", "Which classes are mixed up", f"{words}.{left_out}", rows, cells + text, HALF)


def reliability(found: Mapping[str, Any]) -> Chart | None:
    """Accuracy against confidence in bins: on the diagonal, probabilities mean what they say."""
    quality = found["quality"]
    if not quality or not quality["calibration"]["bins"]:
        return None
    rows = [dict(b) for b in quality["calibration"]["bins"] if b["n"]]
    alt = altair()
    low = min(min(r["confidence"], r["accuracy"]) for r in rows)
    scale = alt.Scale(domain=[max(low - 0.05, 0), 1])
    ends = [{"x": scale.domain[0], "y": scale.domain[0]}, {"x": 1, "y": 1}]
    diagonal = alt.Chart({"values": ends}).mark_line(color=SOFT, strokeDash=[5, 3]).encode(x="x:Q", y="y:Q")
    said = told(
        rows, lambda r: f"{percent(r['accuracy'])} right at {percent(r['confidence'])} confidence, {r['n']:,} items"
    )
    base = alt.Chart({"values": said}).encode(
        x=alt.X("confidence:Q", title="confidence of the model", scale=scale),
        y=alt.Y("accuracy:Q", title="share that is right", scale=scale),
    )
    points = base.mark_point(filled=True, color=OURS, size=60, opacity=1).encode(description="told:N")
    calibration = quality["calibration"]
    words = f"Calibration error {figure(calibration['ece'])}; chance alone explains up to "
    words += f"{figure(calibration['ece_limit'])}. Below the dashed line the model is too sure of itself."
    words += BY_DECISION if quality.get("several") else ""
    return Chart(
        "reliability",
        "Can the probabilities be believed?",
        words,
        rows,
        diagonal + base.mark_line(color=OURS) + points,
        HALF,
    )


def coverage(found: Mapping[str, Any]) -> Chart | None:
    """Accuracy among the items that the model is surest of: what could be accepted without a person."""
    quality = found["quality"]
    if not quality or not quality["coverage"]:
        return None
    rows = thinned([dict(r) for r in quality["coverage"]])
    alt = altair()
    x = alt.X("coverage:Q", title="share accepted without a person", axis=alt.Axis(format="%"))
    scale = alt.Scale(zero=False)
    drawn = alt.Chart({"values": told(rows, _accepted)})
    band = drawn.mark_area(color=OURS, opacity=0.16).encode(
        x=x, y=alt.Y("low:Q", title="share of them that is right", scale=scale, axis=alt.Axis(format="%")), y2="high:Q"
    )
    y = alt.Y("accuracy:Q", title="share of them that is right", scale=scale)
    line = drawn.mark_line(color=OURS, strokeWidth=2.5).encode(x=x, y=y)
    points = drawn.mark_point(opacity=0).encode(x=x, y=y, description="told:N")
    half = min(rows, key=lambda r: abs(r["coverage"] - 0.5))
    words = (
        f"The surest {percent(half['coverage'])} are right at {interval(half['accuracy'], half['low'], half['high'])}, "
    )
    whole = rows[-1] if rows[-1]["coverage"] >= rows[0]["coverage"] else rows[0]
    words += f"all of them at {interval(whole['accuracy'], whole['low'], whole['high'])}."
    words += BY_DECISION if quality.get("several") else ""
    return Chart("coverage", "What could be accepted without a person", words, rows, band + line + points, HALF)


def _accepted(row: Mapping[str, Any]) -> str:
    return f"the surest {percent(row['coverage'])}: {interval(row['accuracy'], row['low'], row['high'])} right"


def recall_by_class(found: Mapping[str, Any]) -> Chart | None:
    """Recall of minority classes over the rounds; of many, those that are found least."""
    rows = [dict(r) for r in (found["diagnostics"] or {}).get("minority", ()) if r["recall"] is not None]
    newest = {r["class"]: r for r in rows}
    lowest = sorted(newest, key=lambda name: newest[name]["recall"])[:MOST_LINES]
    if not lowest or len({r["round"] for r in rows}) < 2:
        return None
    alt = altair()
    layers, shown = [], []
    for name, colour in zip(lowest, COLOURS, strict=False):
        own = thinned([r for r in rows if r["class"] == name])
        shown += own
        x = alt.X("round:Q", title="round", axis=alt.Axis(tickMinStep=1, format="d"))
        y = alt.Y("recall:Q", title="recall", scale=alt.Scale(domain=[0, 1]))
        drawn = alt.Chart({"values": told(own, _recalled)}).encode(x=x, y=y)
        layers.append(drawn.mark_line(color=colour, strokeWidth=2.5))
        size = 30 if len(own) < 40 else 8
        layers.append(drawn.mark_point(filled=True, color=colour, size=size, opacity=1).encode(description="told:N"))
        end = alt.Chart({"values": own[-1:]}).mark_text(color=colour, align="left", dx=8, fontWeight="bold", limit=140)
        layers.append(end.encode(x=x, y=y, text=alt.value(name)))
    recalls = [f"{name} {interval(*(newest[name].get(part) for part in ('recall', 'low', 'high')))}" for name in lowest]
    series = dict(zip(lowest, COLOURS, strict=False))
    words = f"Recall in the newest round: {'; '.join(recalls)}."
    return Chart("recall-by-class", "Are minority classes found?", words, shown, alt.layer(*layers), HALF, series)


def _recalled(row: Mapping[str, Any]) -> str:
    return f"{row['class']}, round {row['round']}: recall {interval(row['recall'], row.get('low'), row.get('high'))}"
