"""The charts of a report, and the one of the lead's page."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from querist.core.errors import MissingExtra
from querist.stages.reporting.charts.curves import AXES, learning_curve, savings
from querist.stages.reporting.charts.drawing import Chart, to_svg
from querist.stages.reporting.charts.labeling import annotation_time, class_balance
from querist.stages.reporting.charts.quality import confusion, coverage, recall_by_class, reliability

DRAWN: dict[str, Callable[[Mapping[str, Any]], Chart | None]] = {
    **{f"learning-curve-{against}": partial(learning_curve, against=against) for against in AXES},
    "savings": savings,
    "recall-by-class": recall_by_class,
    "confusion": confusion,
    "reliability": reliability,
    "coverage": coverage,
    "annotation-time": annotation_time,
    "class-balance": class_balance,
}


def charts(found: Mapping[str, Any], names: Collection[str] = DRAWN.keys()) -> dict[str, Chart]:
    """Those of the names that there are figures for. Raises MissingExtra."""
    drawn = {name: draw(found) for name, draw in DRAWN.items() if name in names}
    return {name: chart for name, chart in drawn.items() if chart is not None}


def learning_curve_svg(rounds: Sequence[Mapping[str, Any]], comparison: Mapping[str, Any] | None) -> str | None:
    """The metric against labels, beside random sampling where it was compared by simulation.

    None without the extra `charts`, or when there is nothing to draw.
    """
    if not rounds:
        return None
    metric = rounds[0]["metric"]
    random = None if comparison is None else comparison["summary"].get("random")
    baseline = None if random is None else {"metric": metric, "labels": random["labels"], **random["metrics"][metric]}
    found = {"metric": metric, "rounds": rounds, "objective": {"goal": None}, "savings": {"baseline": baseline}}
    try:
        drawn = learning_curve(found)
    except MissingExtra:
        return None
    return None if drawn is None else to_svg(drawn)
