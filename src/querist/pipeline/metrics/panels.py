"""What the dashboard shows of the catalogue, and of the served model, row by row."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Panel:
    """`queries` are (PromQL, legend); `{p}` in them is the project. One figure, or a graph over time."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    about: str
    figure: bool = False
    red_from: float | None = None


def _figure(title: str, unit: str, expr: str, about: str, *, red_from: float | None = None) -> Panel:
    return Panel(title, unit, ((expr, ""),), about, figure=True, red_from=red_from)


ROWS: dict[str, tuple[Panel, ...]] = {
    "Labeling": (
        _figure("Items waiting", "short", "querist_queue_items{p}", "Asked, not yet answered."),
        _figure(
            "Oldest waiting item",
            "s",
            "(time() - querist_queue_oldest_timestamp_seconds{p}) or on (project) (querist_queue_items{p} == 0)",
            "Since its round was opened; 0 when none waits.",
        ),
        _figure("Round", "short", "querist_round{p}", "The newest; 0 is the seed set."),
        _figure(
            "Batch answered",
            "percentunit",
            "querist_batch_answered_items{p} / querist_batch_items{p}",
            "Share of the newest round's items that have all their answers.",
        ),
        Panel(
            "Labels",
            "short",
            (
                ("querist_labels{p}", "standing"),
                ("querist_answers_total{p}", "ever given"),
                ("querist_model_labels{p}", "learned from"),
            ),
            "Answers to pool items.",
        ),
        Panel(
            "Answers an hour",
            "short",
            (
                ("3600 * rate(querist_answers_total{p}[$__rate_interval])", "now"),
                ("querist_batch_answers_per_hour{p}", "over the newest batch"),
            ),
            "By the clock, pauses included.",
        ),
        Panel(
            "Time an item takes",
            "s",
            (
                (
                    "histogram_quantile(0.5, sum by (le) (querist_answer_seconds_bucket{p}))",
                    "median, all answers",
                ),
                (
                    "histogram_quantile(0.5, sum by (le) (increase(querist_answer_seconds_bucket{p}[24h])))",
                    "median, last 24 h",
                ),
                ("querist_answer_seconds_sum{p} / querist_answer_seconds_count{p}", "mean, all answers"),
            ),
            "Measured work, without idle time.",
        ),
        Panel(
            "Agreement",
            "short",
            (("querist_agreement{p}", "{{statistic}}"),),
            "On items that several people answered; alpha is Krippendorff's.",
        ),
    ),
    "Quality": (
        Panel(
            "Objective against goal",
            "short",
            (
                ("querist_objective{p}", "{{metric}}"),
                ("querist_objective_low{p}", "low"),
                ("querist_objective_high{p}", "high"),
                ("querist_objective_goal{p}", "goal"),
            ),
            "On the holdout, with its confidence interval.",
        ),
        Panel("Other metrics", "short", (("querist_holdout{p}", "{{metric}}"),), "On the holdout."),
        Panel(
            "Calibration error",
            "short",
            (("querist_calibration_error{p}", "error"), ("querist_calibration_error_limit{p}", "tolerated")),
            "Expected calibration error of the newest model.",
        ),
        Panel(
            "Budget left",
            "percentunit",
            (("querist_budget_left{p} / on (project, resource) (querist_budget{p} > 0)", "{{resource}}"),),
            "Share of each budget.",
        ),
        _figure("Labels spent", "short", 'querist_spent{p, resource="labels"}', "What the budget counts."),
        _figure(
            "Rounds not evaluated", "short", "querist_round{p} - querist_round_evaluated{p}", "1 while people answer."
        ),
        _figure("querist", "short", "querist_info{p}", "Its version is the label of the series."),
    ),
    "Model": (
        Panel(
            "Model version",
            "short",
            (("querist_model_info{p}", "{{model_version}}"),),
            "Which model was the newest when.",
        ),
        Panel("Training time", "s", (("querist_training_seconds{p}", "newest model"),), "Of the newest model."),
        _figure("Model age", "s", "time() - querist_model_trained_timestamp_seconds{p}", "Since it was trained."),
    ),
    "Drift": (
        _figure("Drift alarm", "short", "querist_drift_alarm{p}", "1 while one is open.", red_from=1.0),
        _figure(
            "Windows over", "short", "querist_drift_windows_over{p}", "In a row over their thresholds.", red_from=1.0
        ),
        _figure("Last check", "s", "time() - querist_drift_checked_timestamp_seconds{p}", "Ago."),
        Panel(
            "Drift beside its threshold",
            "short",
            (("querist_drift{p}", "{{statistic}}"), ("querist_drift_threshold{p}", "{{statistic}} threshold")),
            "Statistics of the newest window, and what each stays under without drift.",
        ),
        Panel(
            "Drift as a share of its threshold",
            "percentunit",
            (("querist_drift{p} / on (project, statistic) querist_drift_threshold{p}", "{{statistic}}"),),
            "Over 100 % is over.",
        ),
    ),
    "Serving": (
        _figure("Items that wait for a model", "short", "querist_serving_queue_items{p}", "Of the served model."),
        _figure(
            "Failed requests",
            "percentunit",
            'sum(rate(querist_serving_requests_total{p, status=~"5.."}[$__rate_interval]) or querist_info{p} * 0)'
            " / sum(rate(querist_serving_requests_total{p}[$__rate_interval]))",
            "Share that was answered with a status of 500 and up.",
            red_from=0.02,
        ),
        _figure(
            "Shadow agrees",
            "percentunit",
            "querist_serving_shadow_agreed_total{p} / querist_serving_shadow_compared_total{p}",
            "Share of items on which the shadow predicts the same class.",
        ),
        _figure("Shadow skipped", "short", "querist_serving_shadow_skipped_total{p}", "Items it had no time for."),
        Panel(
            "Requests by status",
            "reqps",
            (("sum by (status) (rate(querist_serving_requests_total{p}[$__rate_interval]))", "{{status}}"),),
            "429 and 503 say that more came than could be answered.",
        ),
        Panel(
            "Time to an answer",
            "s",
            tuple(
                (
                    f"histogram_quantile({q}, sum by (le) "
                    "(rate(querist_serving_request_seconds_bucket{p}[$__rate_interval])))",
                    f"p{round(100 * q)}",
                )
                for q in (0.5, 0.95, 0.99)
            ),
            "From request to answer.",
        ),
        Panel(
            "Predicted classes",
            "short",
            (("sum by (label) (rate(querist_serving_predictions_total{p}[$__rate_interval]))", "{{label}}"),),
            "Items a second.",
        ),
        Panel(
            "Confidence",
            "percentunit",
            (
                (
                    "histogram_quantile(0.5, sum by (le) "
                    "(rate(querist_serving_confidence_bucket{p}[$__rate_interval])))",
                    "median",
                ),
                (
                    "sum(rate(querist_serving_abstained_total{p}[$__rate_interval]))"
                    " / sum(rate(querist_serving_predictions_total{p}[$__rate_interval]))",
                    "abstained",
                ),
            ),
            "Probability of the predicted class, and the share of items on which the model abstained.",
        ),
        Panel(
            "Versions",
            "short",
            (
                ("querist_serving_model_info{p}", "{{role}} {{version}}"),
                ("querist_serving_model_loads_total{p}", "opened: {{outcome}}"),
            ),
            "Which model version answers, and what came of opening others.",
        ),
        Panel(
            "Batches and log",
            "short",
            (
                ("querist_serving_batch_items_sum{p} / querist_serving_batch_items_count{p}", "items a batch"),
                ("querist_serving_log_rows{p}", "log: {{state}}"),
            ),
            "Items that one call of the model took, and rows of the prediction log.",
        ),
    ),
}
