"""Charts as Altair specifications, rendered to SVG without a browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def learning_curve_svg(rounds: Sequence[Mapping[str, Any]], comparison: Mapping[str, Any] | None) -> str | None:
    """Metric against labels: this project with its interval, and the simulated strategies' means, if compared.

    None where the extra `charts` is not installed or there is nothing to draw.
    """
    try:
        import altair as alt
        import vl_convert
    except ImportError:
        return None
    points = [r for r in rounds if r["value"] is not None]
    if not points:
        return None
    metric = points[0]["metric"]
    rows = [_row("this project", r["labels"], r["value"], r["low"], r["high"]) for r in points]
    if comparison is not None:
        for name, found in comparison["summary"].items():
            curve = found["metrics"][metric]
            rows += [
                _row(f"{name}, simulated", n, mean, low, high)
                for n, mean, low, high in zip(found["labels"], curve["mean"], curve["low"], curve["high"], strict=True)
            ]
    base = alt.Chart({"values": rows}).encode(
        x=alt.X("labels:Q", title="labels", scale=alt.Scale(zero=False)),
        color=alt.Color("curve:N", title=None, legend=alt.Legend(labelLimit=300)),
    )
    band = base.mark_area(opacity=0.15).encode(
        y=alt.Y("low:Q", title=metric, scale=alt.Scale(zero=False)), y2=alt.Y2("high:Q")
    )
    line = base.mark_line(point=True).encode(y=alt.Y("value:Q", title=metric, scale=alt.Scale(zero=False)))
    chart = (band + line).properties(width=520, height=300, title="Learning curve").configure(font="DejaVu Sans")
    svg: str = vl_convert.vegalite_to_svg(chart.to_json())
    return svg


def _row(curve: str, labels: int, value: float, low: float | None, high: float | None) -> dict[str, Any]:
    return {
        "curve": curve,
        "labels": labels,
        "value": value,
        "low": value if low is None else low,
        "high": value if high is None else high,
    }
