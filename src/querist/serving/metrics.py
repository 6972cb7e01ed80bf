"""What a served model tells Prometheus. Labels are bounded: routes, roles, status codes, the model's own classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from querist.serving.model import Answers

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ITEMS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
CONFIDENCE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
MOST_CLASSES = 200
"""Classes beyond these are counted together, as "other"."""


class Metrics:
    """One registry an application, so that several can live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"querist_serving_{name}", text, labels, registry=self.registry)

        def histogram(name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
            return Histogram(f"querist_serving_{name}", text, labels, buckets=buckets, registry=self.registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"querist_serving_{name}", text, labels, registry=self.registry)

        self.requests = counter("requests", "Requests by route and status.", "route", "status")
        self.seconds = histogram("request_seconds", "Time from request to answer.", SECONDS, "route")
        self.batches = histogram("batch_items", "Items that one call of the model took.", ITEMS)
        self._predictions = counter(
            "predictions", "Items by the class that was predicted, or by each of several.", "role", "label"
        )
        self._confidence = histogram("confidence", "Probability of the predicted class.", CONFIDENCE, "role")
        self._abstained = counter("abstained", "Items on which the model abstained.", "role")
        self._waiting = gauge("queue_items", "Items that wait for a model.")
        self._model = gauge("model_info", "1 for each open model version.", "role", "version", "pipeline_version")
        self.loads = counter("model_loads", "Model versions that were opened, by outcome.", "outcome")
        self.compared = counter("shadow_compared", "Items that the shadow predicted too.")
        self.agreed = counter("shadow_agreed", "Items where the shadow predicted the same class.")
        self.skipped = counter("shadow_skipped", "Items that the shadow had no time for.")
        self._logged = gauge("log_rows", "Rows of the prediction log, by what became of them.", "state")

    def watch(self, waiting: Callable[[], int], logged: Mapping[str, Callable[[], int]]) -> None:
        """Reads the queue and the prediction log's counts at each scrape."""
        self._waiting.set_function(waiting)
        for state, read in logged.items():
            self._logged.labels(state).set_function(read)

    def opened(self, roles: Mapping[str, Mapping[str, str]]) -> None:
        """`roles` to facts of the version that now has it."""
        self._model.clear()
        for role, facts in roles.items():
            self._model.labels(role, facts["version"], facts["pipeline_version"]).set(1)

    def answered(self, role: str, classes: Sequence[str], answers: Answers) -> None:
        for code in answers.codes:
            self._predictions.labels(role, classes[code] if code < MOST_CLASSES else "other").inc()
        observe = self._confidence.labels(role).observe
        for value in answers.confidence:
            observe(value)
        self._abstained.labels(role).inc(int(answers.abstain.sum()))

    def exposition(self) -> bytes:
        return generate_latest(self.registry)
