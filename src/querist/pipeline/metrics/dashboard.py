"""The dashboard for Grafana, out of its panels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from querist.core.errors import MissingExtra
from querist.pipeline.metrics.panels import ROWS, Panel

COLUMNS, LOW, HIGH = 24, 4, 8


def promql(expr: str) -> str:
    """The query of a panel, for the project that is chosen above the dashboard."""
    return expr.replace("{p}", '{project="$project"}').replace("{p,", '{project="$project",')


def dashboard() -> str:
    """Grafana's JSON, for 11.6 and newer. Raises MissingExtra without grafana-foundation-sdk."""
    try:
        from grafana_foundation_sdk.builders.dashboard import (
            Dashboard,
            DatasourceVariable,
            QueryVariable,
            Row,
        )
        from grafana_foundation_sdk.cog.encoder import JSONEncoder
        from grafana_foundation_sdk.models.dashboard import DataSourceRef
    except ModuleNotFoundError as error:
        raise MissingExtra("the Grafana dashboard", "grafana") from error
    source = DataSourceRef(type_val="prometheus", uid="${datasource}")
    made = Dashboard("querist: the loop").uid("querist-loop").tags(["querist"])
    made = made.refresh("30s").time("now-24h", "now").timezone("browser").readonly()
    made = made.with_variable(DatasourceVariable("datasource").type("prometheus"))
    of = QueryVariable("project").datasource(source).query("label_values(querist_info, project)")
    made = made.with_variable(of)
    for title, panels in ROWS.items():
        made = made.with_row(Row(title))
        for panel, width in _widths(panels):
            filled = _figure_of(panel, source) if panel.figure else _graph_of(panel, source)
            made = made.with_panel(filled.span(width))
    built = made.build()
    for number, numbered in enumerate(built.panels or [], 1):  # the SDK gives every row id 0 and panels none
        numbered.id_val = number
    return f"{JSONEncoder(sort_keys=True, indent=2).encode(built)}\n"


def _widths(panels: tuple[Panel, ...]) -> Iterator[tuple[Panel, int]]:
    """Figures side by side, then graphs two by two, so that each line is full: the SDK itself lays out no second."""
    figures, graphs = [p for p in panels if p.figure], [p for p in panels if not p.figure]
    for panel in figures:
        yield panel, COLUMNS // len(figures)
    for number, panel in enumerate(graphs):
        alone = number == len(graphs) - 1 and number % 2 == 0
        yield panel, COLUMNS if alone else COLUMNS // 2


def _graph_of(panel: Panel, source: Any) -> Any:
    from grafana_foundation_sdk.builders import timeseries

    return _filled(timeseries.Panel().height(HIGH), panel, source)


def _figure_of(panel: Panel, source: Any) -> Any:
    from grafana_foundation_sdk.builders import stat
    from grafana_foundation_sdk.builders.common import ReduceDataOptions
    from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
    from grafana_foundation_sdk.models.dashboard import Threshold, ThresholdsMode

    made = stat.Panel().height(LOW).reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
    steps = [Threshold(color="green")]
    if panel.red_from is not None:
        steps.append(Threshold(value=panel.red_from, color="red"))
    made = made.thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    return _filled(made, panel, source)


def _filled(made: Any, panel: Panel, source: Any) -> Any:
    from grafana_foundation_sdk.builders import prometheus

    made = made.title(panel.title).description(panel.about).unit(panel.unit).datasource(source)
    for letter, (expr, legend) in zip("ABCDEFGH", panel.queries, strict=False):
        made = made.with_target(prometheus.Dataquery().expr(promql(expr)).legend_format(legend).ref_id(letter))
    return made
