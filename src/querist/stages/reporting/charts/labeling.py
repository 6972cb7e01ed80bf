"""What labeling took, and of which classes the answers are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from querist.stages.reporting.charts.drawing import GOAL, HALF, INK, OTHER, OURS, Chart, altair, thinned, told
from querist.stages.reporting.words import percent, seconds

MOST_CLASSES = 20
PARTS = {"asked": "what was asked", "pool (estimate)": "the pool, as estimated", "holdout": "the holdout"}


def annotation_time(found: Mapping[str, Any]) -> Chart | None:
    """The median seconds of an answer, batch by batch."""
    rows = [{"round": r["round"], "seconds": s} for r in found["rounds"] if (s := r.get("median_seconds")) is not None]
    if not rows:
        return None
    rows = thinned(rows)
    alt = altair()
    said = told(rows, lambda r: f"round {r['round']}: median answer {seconds(r['seconds'])}")
    bars = alt.Chart({"values": said}).mark_bar(color=OURS, opacity=0.85)
    few = len(rows) <= 30
    x = alt.X("round:O", title="round", axis=alt.Axis(labelAngle=0)) if few else alt.X("round:Q", title="round")
    drawn = bars.encode(x=x, y=alt.Y("seconds:Q", title="seconds an answer (median)"), description="told:N")
    words = f"The median answer took {seconds(rows[0]['seconds'])} in round {rows[0]['round']} and "
    words += f"{seconds(rows[-1]['seconds'])} in round {rows[-1]['round']}."
    return Chart("annotation-time", "Annotation time of a batch", words, rows, drawn, HALF)


def class_balance(found: Mapping[str, Any]) -> Chart | None:
    """The share of each class among what was asked, in the pool as estimated, and in the holdout."""
    balance = [r for r in (found["diagnostics"] or {}).get("class_balance", ()) if r["asked"] is not None]
    if not balance:
        return None
    balance = sorted(balance, key=lambda r: -r["asked"])[:MOST_CLASSES]
    kinds = {"asked": ("asked", OURS, "circle"), "pool_estimate": ("pool (estimate)", OTHER, "square"),
             "holdout": ("holdout", GOAL, "diamond")}  # fmt: skip
    rows = [
        {"class": r["class"], "where": name, "share": r[kind]}
        for r in balance
        for kind, (name, _, _) in kinds.items()
        if r[kind] is not None
    ]
    alt = altair()
    names, colours, shapes = zip(*kinds.values(), strict=True)
    order = [r["class"] for r in balance]
    y = alt.Y("class:N", sort=order, title=None, axis=alt.Axis(labelLimit=140))
    x = alt.X("share:Q", title="share", axis=alt.Axis(format="%"))
    span = alt.Chart({"values": rows}).mark_rule(color=INK, opacity=0.3)
    spans = span.encode(y=y, x=alt.X("min(share):Q", title="share"), x2="max(share):Q")
    look = alt.Legend(orient="top", title=None, labelFontSize=13, labelColor=INK, symbolSize=90)
    said = told(rows, lambda r: f"{r['class']}: {percent(r['share'])} of {PARTS[r['where']]}")
    points = alt.Chart({"values": said}).mark_point(filled=True, size=90, opacity=1)
    drawn = points.encode(
        x=x,
        y=y,
        color=alt.Color("where:N", scale=alt.Scale(domain=names, range=colours), legend=look),
        shape=alt.Shape("where:N", scale=alt.Scale(domain=names, range=shapes), legend=look),
        description="told:N",
    )
    top = balance[0]
    words = f"{top['class']} is {percent(top['asked'])} of what was asked"
    if top["holdout"] is not None:
        words += f" and {percent(top['holdout'])} of the holdout"
    series = dict(zip(names, colours, strict=True))
    title = "What was asked, and what there is"
    return Chart("class-balance", title, words + ".", rows, spans + drawn, HALF, series)
