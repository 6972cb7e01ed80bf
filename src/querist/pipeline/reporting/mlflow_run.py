"""A run in MLflow, through whatever its address names: a server, or a database where all of MLflow is installed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

import numpy as np

from querist.core.errors import MissingExtra, ServiceError

TAG = "querist.run"
MARK = "round"
"""The metric that is written last: its steps are the rounds that are there as a whole."""
AT_ONCE = 1_000
QUARTILES = {"min": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "max": 1.0}


class MlflowRun:
    """The run `name` in the experiment `experiment`, made where there is none.

    Raises MissingExtra without MLflow's client, ServiceError where the address cannot be used.
    """

    def __init__(self, uri: str, experiment: str, name: str) -> None:
        # Otherwise a server that is down would hold up the loop for minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        try:
            from mlflow import MlflowClient
        except ImportError as error:
            raise MissingExtra("writing to MLflow", "mlflow") from error
        self.uri = uri
        with explained(uri):
            self.client = MlflowClient(tracking_uri=uri)
            found = self.client.get_experiment_by_name(experiment)
            id = found.experiment_id if found else self.client.create_experiment(experiment)
            runs = self.client.search_runs([id], filter_string=f"tags.`{TAG}` = '{name}'", max_results=1)
            self.run = runs[0] if runs else self.client.create_run(id, run_name=name, tags={TAG: name})
        self.id: str = self.run.info.run_id

    def rounds(self) -> set[int]:
        with explained(self.uri):
            return {point.step for point in self.client.get_metric_history(self.id, MARK)}

    @contextmanager
    def page(self, round: int, at: float) -> Iterator[MetricPage]:
        filled = MetricPage(round, at)
        yield filled
        with explained(self.uri):
            self._send(filled)

    def artifact(self, name: str, content: str) -> None:
        with explained(self.uri):
            self.client.log_text(self.id, content, name)

    def _send(self, page: MetricPage) -> None:
        from mlflow.entities import Metric, Param

        for name, text in page.texts.items():
            self.client.log_text(self.id, text, f"{name}/round-{page.round:06}.md")
        known = self.run.data.params  # a parameter is said once: MLflow refuses another value
        new = [Param(name, str(value)) for name, value in page.given.items() if name not in known]
        if new:
            self.client.log_batch(self.id, params=new)
        points = [Metric(name, value, int(page.at * 1000), step) for name, value, step in page.points]
        for start in range(0, len(points), AT_ONCE):
            self.client.log_batch(self.id, metrics=points[start : start + AT_ONCE])
        self.client.log_metric(self.id, MARK, page.round, timestamp=int(page.at * 1000), step=page.round)


class MetricPage:
    def __init__(self, round: int, at: float) -> None:
        self.round, self.at = round, at
        self.given: dict[str, str | float] = {}
        self.texts: dict[str, str] = {}
        self.points: list[tuple[str, float, int]] = []

    def params(self, values: Mapping[str, str | float], metric: str) -> None:
        self.given |= {**values, "metric": metric}

    def scalars(self, values: Mapping[str, float]) -> None:
        self.points += [(name, value, self.round) for name, value in values.items()]

    def histogram(self, name: str, values: Sequence[float]) -> None:
        """MLflow has no histograms: the quartiles."""
        found = np.quantile(values, list(QUARTILES.values())).tolist()
        self.scalars({f"{name}/{part}": value for part, value in zip(QUARTILES, found, strict=True)})

    def text(self, name: str, text: str) -> None:
        self.texts[name] = text

    def losses(self, version: str, curves: Mapping[str, Sequence[float]]) -> None:
        for name, values in curves.items():
            self.points += [(f"loss/{name}/{version}", value, step) for step, value in enumerate(values, start=1)]


@contextmanager
def explained(uri: str) -> Iterator[None]:
    """MLflow's errors in one sentence, without the password that its address may hold."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, ImportError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise ServiceError(f"MLflow at {_shown(uri)} does not take it: {said[0].replace(uri, _shown(uri))}") from error


def _shown(uri: str) -> str:
    parts = urlsplit(uri)
    return uri if "@" not in parts.netloc else parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
