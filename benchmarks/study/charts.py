"""Learning curves of many cells side by side, as one SVG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis import Cell, Curve
from cells import FULL

SHOWN = {
    "random": "#888888",
    "auto": "#000000",
    "uncertainty:margin": "#1f77b4",
    "uncertainty:entropy": "#9ecae1",
    "kmeans:margin": "#2ca02c",
    "badge": "#d62728",
    "core_set": "#ff7f0e",
    "typiclust": "#9467bd",
}
"""The strategies in colour; all others are thin and grey."""
OTHERS = "others"


def curves_svg(cells: Mapping[Cell, Mapping[str, Curve]], *, columns: int = 4) -> str:
    import altair as alt
    import vl_convert

    rows = [row for cell, own in cells.items() for name, curve in own.items() for row in _rows(cell, name, curve)]
    shown = [name for name in SHOWN if any(name in own for own in cells.values())]
    lines = (
        alt.Chart()
        .mark_line()
        .encode(
            x=alt.X("labels:Q", title="labels", scale=alt.Scale(zero=False)),
            y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)),
            detail="strategy:N",
            color=alt.Color(
                "kind:N",
                title=None,
                scale=alt.Scale(domain=[*shown, OTHERS], range=[*(SHOWN[name] for name in shown), "#dddddd"]),
                legend=alt.Legend(orient="bottom", columns=5, symbolStrokeWidth=3),
            ),
            strokeWidth=alt.condition(f"datum.kind == '{OTHERS}'", alt.value(0.7), alt.value(1.6)),
        )
    )
    whole = alt.Chart().mark_rule(strokeDash=[3, 3], color="#888888").encode(y="whole:Q")
    chart = (
        alt.layer(lines, whole, data={"values": rows})
        .properties(width=220, height=150)
        .facet(facet=alt.Facet("cell:N", title=None, sort=[_title(cell) for cell in cells]), columns=columns)
        .resolve_scale(x="independent", y="independent")
        .configure(font="DejaVu Sans")
    )
    svg: str = vl_convert.vegalite_to_svg(chart.to_json())
    return svg


def _rows(cell: Cell, name: str, curve: Curve) -> list[dict[str, Any]]:
    title = _title(cell)
    if name == FULL:
        return [{"cell": title, "whole": float(curve.values.mean())}]
    kind = name if name in SHOWN else OTHERS
    mean = curve.values.mean(axis=0)
    return [
        {"cell": title, "strategy": name, "kind": kind, "labels": float(n), "value": round(float(v), 4)}
        for n, v in zip(curve.labels, mean, strict=True)
    ]


def _title(cell: Cell) -> str:
    return f"{cell[0]}, {cell[1]}"
