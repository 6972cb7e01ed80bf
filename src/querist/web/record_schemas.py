"""What /api/v1 says of the record, and what it is told."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RoundOut(Strict):
    """What a round asked, the labels known at its end, and `metric` on the holdout with its interval; `spent` since the
    first round; `seconds` of computing. Null is what is still to come."""

    round: int
    strategy: str
    at: str
    asked: int
    labels: int | None
    model_version: str | None
    metric: str
    value: float | None
    low: float | None
    high: float | None
    spent: dict[str, int | float] | None
    seconds: float
    seconds_learner: float
    warnings: list[str]
    learner_changes: list[str]
    note: str


class Rounds(Strict):
    rounds: list[RoundOut]
    next: str | None


class StatusOut(Strict):
    """`state`: empty, waiting, ready or stopped, and why; `data` tells of the last ingest."""

    project: str
    version: str
    state: str
    reason: str
    snapshot: str | None
    data: dict[str, Any] | None
    metric: str
    goal: float | None
    value: float | None
    low: float | None
    high: float | None
    labels_asked: int
    spent: dict[str, int | float] | None
    rounds: list[RoundOut]
    digest: str


class MetricOut(Strict):
    value: float
    low: float | None
    high: float | None
    n_items: int


class Worked(Strict):
    """How often a person answered in a round, and the measured seconds."""

    annotator: str
    answers: int
    skips: int
    seconds: float


class RoundDetail(Strict):
    """All of a round but its queries: models, metrics (also of the round before), steps with their times and results,
    the settings and libraries under which it ran, what changed since the round before, and who asked for it.
    """

    round: int
    snapshot: str
    strategy: str
    model_version: str | None
    thresholds: dict[str, float]
    note: str
    settings: str
    code_version: str
    at: str
    models: list[dict[str, Any]]
    learner_changes: list[str]
    metrics: dict[str, MetricOut]
    metrics_before: dict[str, MetricOut]
    steps: list[dict[str, Any]]
    people: list[Worked]
    answers: dict[str, str | None]
    n_labels: int | None
    evaluated_at: str | None
    warnings: list[str]
    stop: str | None
    settings_in_force: dict[str, Any] | None
    settings_set: dict[str, Any]
    libraries: dict[str, str]
    changes: list[str]
    triggers: list[dict[str, Any]]


class Metrics(Strict):
    """Round -> metric -> value on the holdout."""

    rounds: dict[str, dict[str, MetricOut]]


class QueryOut(Strict):
    """An item asked, with what a person sees of it: `wanted` people are to answer it."""

    item: str
    rank: int
    score: float | None
    parts: dict[str, float]
    strategy: str
    model_version: str | None
    wanted: int
    text: str | None
    image: str | None
    columns: dict[str, Any]
    context: dict[str, Any]
    prediction: dict[str, float] | None
    reason: str
    at: str


class Queries(Strict):
    queries: list[QueryOut]
    next: str | None


class AnnotationOut(Strict):
    """One person's act: `kind` undo takes back the annotation it supersedes; `label` null is a skip."""

    id: str
    item: str
    kind: str
    label: str | None
    annotator: str
    supersedes: str | None
    seconds: float | None
    note: str
    details: dict[str, Any]
    at: str


class Annotations(Strict):
    annotations: list[AnnotationOut]
    next: str | None


class SubjectIn(Strict):
    """An item that was asked, by its id, or a text."""

    item: str | None = Field(default=None, max_length=1_000)
    text: str | None = Field(default=None, max_length=100_000)


class PredictionRequest(Strict):
    subjects: list[SubjectIn] = Field(min_length=1, max_length=100)


class Predictions(Strict):
    """The probability of each label for each subject; null where nothing is known of it, or before the first model."""

    model_version: str | None
    predictions: list[dict[str, float] | None]


class Imported(Strict):
    """Rows read, labels added, rows without a label, and labels known already."""

    read: int
    added: int
    empty: int
    unchanged: int


class Training(Strict):
    """labeling: a round is open; training: the next is being made; over and failed say why."""

    state: str
    since: str
    why: str
