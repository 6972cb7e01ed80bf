"""The one list: every metric of the loop. Labels are bounded: never an annotator, an item or a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SECONDS_UP_TO = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)


@dataclass(frozen=True)
class Metric:
    """`name` as Prometheus shows it, `labels` besides `project`, `absent` when there is no such series."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    about: str
    labels: tuple[str, ...] = ()
    absent: str = ""


_BEFORE_MODEL = "before the first evaluation"
_BEFORE_CHECK = "before the first drift check"
_NOT_SHARED = "while no two people answered the same item"

METRICS = (
    Metric("querist_info", "gauge", "1, with the version of querist.", ("version",)),
    # labeling
    Metric("querist_answers_total", "counter", "Answers that people gave to pool items, skips and corrections too."),
    Metric("querist_labels", "gauge", "Answers to pool items that stand: what the budget counts."),
    Metric("querist_answer_seconds", "histogram", "Seconds of work an answer took, where it was measured."),
    Metric("querist_queue_items", "gauge", "Items asked that still want an answer."),
    Metric(
        "querist_queue_oldest_timestamp_seconds",
        "gauge",
        "When the round was opened that the first waiting item belongs to.",
        absent="while no item waits",
    ),
    Metric("querist_round", "gauge", "The newest round; 0 is the seed set.", absent="before the seed set is asked"),
    Metric(
        "querist_round_evaluated", "gauge", "The newest round whose model has been evaluated.", absent=_BEFORE_MODEL
    ),
    Metric("querist_batch_items", "gauge", "Items that the newest round asked.", absent="before the seed set is asked"),
    Metric(
        "querist_batch_answered_items",
        "gauge",
        "Items of the newest round that have all their answers.",
        absent="before the seed set is asked",
    ),
    Metric(
        "querist_batch_answers_per_hour",
        "gauge",
        "Throughput of the newest round, or of the one before it while it has fewer than two answers: answers an hour "
        "between its first and its newest answer.",
        absent="before the second answer, and where all came at one time",
    ),
    Metric(
        "querist_agreement",
        "gauge",
        "How far people agree on items that several answered: raw (share of pairs) or alpha (Krippendorff's).",
        ("statistic",),
        _NOT_SHARED,
    ),
    # budget
    Metric(
        "querist_spent",
        "gauge",
        "What labeling has taken: labels, money (of the project's currency), hours.",
        ("resource",),
    ),
    Metric("querist_budget", "gauge", "What labeling may take.", ("resource",), "without such a budget"),
    Metric("querist_budget_left", "gauge", "What is left of it.", ("resource",), "without such a budget"),
    # quality on the holdout
    Metric("querist_objective", "gauge", "The objective's metric of the newest model.", ("metric",), _BEFORE_MODEL),
    Metric("querist_objective_low", "gauge", "Its lower confidence bound.", ("metric",), _BEFORE_MODEL),
    Metric("querist_objective_high", "gauge", "Its upper confidence bound.", ("metric",), _BEFORE_MODEL),
    Metric("querist_objective_goal", "gauge", "What it is to reach.", ("metric",), "without objective.goal"),
    Metric("querist_holdout", "gauge", "Each metric of evaluation.metrics, newest model.", ("metric",), _BEFORE_MODEL),
    Metric("querist_calibration_error", "gauge", "Expected calibration error of the newest model.", (), _BEFORE_MODEL),
    Metric(
        "querist_calibration_error_limit",
        "gauge",
        "Calibration error that is tolerated: the larger of what chance explains and the setting.",
        (),
        _BEFORE_MODEL,
    ),
    # the model
    Metric("querist_model_info", "gauge", "1, with the newest model's version.", ("model_version",), _BEFORE_MODEL),
    Metric("querist_model_labels", "gauge", "Labels that the newest model learned from.", (), _BEFORE_MODEL),
    Metric("querist_model_trained_timestamp_seconds", "gauge", "When the newest model was trained.", (), _BEFORE_MODEL),
    Metric("querist_training_seconds", "gauge", "Seconds that training the newest model took.", (), _BEFORE_MODEL),
    # drift
    Metric("querist_drift", "gauge", "Each drift statistic of the newest window.", ("statistic",), _BEFORE_CHECK),
    Metric(
        "querist_drift_threshold", "gauge", "Its threshold, calibrated on the reference.", ("statistic",), _BEFORE_CHECK
    ),
    Metric(
        "querist_drift_windows_over", "gauge", "Windows in a row that were over their thresholds.", (), _BEFORE_CHECK
    ),
    Metric("querist_drift_alarm", "gauge", "1 while a drift alarm is open, else 0.", (), _BEFORE_CHECK),
    Metric(
        "querist_drift_checked_timestamp_seconds", "gauge", "When the newest window was checked.", (), _BEFORE_CHECK
    ),
)
BY_NAME = {metric.name: metric for metric in METRICS}
