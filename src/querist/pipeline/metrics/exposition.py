"""The values in Prometheus' own form, for a scrape or for a file."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from querist.core.errors import MissingExtra
from querist.pipeline.metrics.catalogue import BY_NAME, METRICS
from querist.pipeline.metrics.values import Distribution, Value, measure

if TYPE_CHECKING:
    from querist.pipeline.project import Project

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
KEPT_SECONDS = 5.0
AT_MOST_A_SHARE = 0.05
"""Values are kept so long that no more than this share of the time goes into measuring them."""


class Exposition:
    """The metrics of one project. Values are kept for some seconds, and measured once for all who ask meanwhile."""

    def __init__(self, project: Project, *, kept_seconds: float = KEPT_SECONDS) -> None:
        self._project, self._kept_seconds = project, kept_seconds
        self._lock, self._until = threading.Lock(), float("-inf")
        self._families: list[Any] = []  # Any: prometheus_client's families

    def text(self) -> bytes:
        """Prometheus' text format 0.0.4. Raises MissingExtra without prometheus-client."""
        from prometheus_client import generate_latest

        return generate_latest(_registry(self))

    def write(self, file: Path) -> None:
        """The same to a file, replaced at once, as node_exporter's textfile collector wants it."""
        from prometheus_client import write_to_textfile

        write_to_textfile(str(file), _registry(self))

    def collect(self) -> Iterator[Any]:
        with self._lock:
            begun = time.monotonic()
            if begun >= self._until:
                self._families = list(_families(self._project))
                took = time.monotonic() - begun
                self._until = begun + took + max(self._kept_seconds, took / AT_MOST_A_SHARE)
            yield from self._families


def exposition(project: Project) -> Exposition:
    """Raises MissingExtra without prometheus-client."""
    try:
        import prometheus_client  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra("metrics for Prometheus", "web") from error
    return Exposition(project)


def _registry(collector: Exposition) -> Any:
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return registry


def _families(project: Project) -> Iterator[Any]:
    """In the order of the catalogue; a metric without a series is left out."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    name = project.settings.project.name
    found: dict[str, list[Value | Distribution]] = {}
    for one in measure(project):
        found.setdefault(one.name, []).append(one)
    kinds = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily, "histogram": HistogramMetricFamily}
    assert found.keys() <= BY_NAME.keys()
    for metric in METRICS:
        if metric.name not in found:
            continue
        family = kinds[metric.kind](metric.name, metric.about, labels=("project", *metric.labels))
        for one in found[metric.name]:
            if isinstance(one, Distribution):
                buckets = [("+Inf" if bound == float("inf") else str(bound), n) for bound, n in one.buckets]
                family.add_metric((name,), buckets=buckets, sum_value=one.sum)
            else:
                family.add_metric((name, *one.labels), one.value)
        yield family
