"""What Prometheus is to raise an alert about, over the metrics of the catalogue."""

from __future__ import annotations

import json
from dataclasses import dataclass

from querist.stages.evaluation.metrics import LOWER_IS_BETTER

REACTIVATE = "reactivate"
"""The label `action` of an alert that opens a round: see `pipeline.monitoring.alerting`."""
JOB, SERVING_JOB = "querist", "querist-serving"
_LOWER = "|".join(sorted(LOWER_IS_BETTER))


@dataclass(frozen=True)
class Alert:
    """`lasting` is how long `expr` must hold; `severity` page wakes somebody, ticket waits for the morning."""

    name: str
    expr: str
    lasting: str
    severity: str
    summary: str
    todo: str
    action: str = ""


DRIFT = "QueristDrift"
ALERTS = (
    Alert(
        DRIFT,
        "querist_drift_alarm == 1",
        "1m",
        "page",
        "{{ $labels.project }}: what the model meets has drifted, in several windows in a row",
        "Alertmanager opens a drift round; label it, and the alarm ends when the gate is passed.",
        REACTIVATE,
    ),
    Alert(
        "QueristDriftWindow",
        "(querist_drift > on (project, statistic) querist_drift_threshold)\n"
        "and on (project) (querist_drift_windows_over > 0)",
        "1m",
        "ticket",
        '{{ $labels.project }}: {{ $labels.statistic }} is {{ printf "%.3g" $value }}, over its threshold',
        "Wait for the next window: one alone may be chance.",
    ),
    Alert(
        "QueristQueueStalled",
        "(querist_queue_items > 0) and on (project) (increase(querist_answers_total[24h]) == 0)\n"
        "and on (project) (time() - querist_queue_oldest_timestamp_seconds > 86400)",
        "1h",
        "ticket",
        "{{ $labels.project }}: {{ $value }} items wait and nobody has answered for 24 hours",
        "Ask the annotators; see who holds what on the page /lead/queue.",
    ),
    Alert(
        "QueristTrainingStalled",
        "(querist_queue_items == 0)\n"
        "and on (project) (querist_round unless on (project) (querist_round_evaluated >= on (project) querist_round))",
        "1h",
        "page",
        "{{ $labels.project }}: all items are answered, but no model has come of it for an hour",
        "See the state of `querist serve` on /lead, or what `querist run` says.",
    ),
    Alert(
        "QueristQualityDropped",
        f'(querist_objective_high{{metric!~"{_LOWER}"}}\n'
        "  < on (project, metric) max_over_time(querist_objective_low[7d]))\n"
        f'or (querist_objective_low{{metric=~"{_LOWER}"}}\n'
        "  > on (project, metric) min_over_time(querist_objective_high[7d]))",
        "1m",
        "page",
        '{{ $labels.project }}: {{ $labels.metric }} is {{ printf "%.3f" $value }} at best, '
        "beyond noise worse than in the last 7 days",
        "Compare the newest rounds: `querist rounds show`, `querist report`.",
    ),
    Alert(
        "QueristBadlyCalibrated",
        "querist_calibration_error > on (project) querist_calibration_error_limit",
        "1m",
        "ticket",
        '{{ $labels.project }}: the calibration error is {{ printf "%.3f" $value }}, more than is tolerated',
        "Read uncertainty with care; try learner.calibration or more validation labels.",
    ),
    Alert(
        "QueristBudgetLow",
        "querist_budget_left / on (project, resource) (querist_budget > 0) < 0.1",
        "1m",
        "ticket",
        "{{ $labels.project }}: {{ $value | humanizePercentage }} of the budget in {{ $labels.resource }} is left",
        "Raise objective.budget_* or let the loop end.",
    ),
    Alert(
        "QueristAgreementLow",
        'querist_agreement{statistic="alpha"} < 0.667',
        "1h",
        "ticket",
        '{{ $labels.project }}: annotators agree little, alpha is {{ printf "%.2f" $value }}',
        "Below 0.667 labels do not even carry tentative conclusions (Krippendorff, 2004); see `querist agreement`.",
    ),
    Alert(
        "QueristServingFails",
        'sum by (project) (rate(querist_serving_requests_total{status=~"5.."}[5m]))\n'
        "/ sum by (project) (rate(querist_serving_requests_total[5m])) > 0.02",
        "10m",
        "page",
        "{{ $labels.project }}: {{ $value | humanizePercentage }} of the requests to the served model fail",
        "See the log of `querist deploy serve`; 503 says that more comes than it can answer.",
    ),
    Alert(
        "QueristDown",
        f'up{{job=~"{JOB}|{SERVING_JOB}"}} == 0',
        "2m",
        "page",
        "{{ $labels.job }} at {{ $labels.instance }} does not answer Prometheus",
        "See whether `querist serve` or `querist deploy serve` runs, and whether the token of the scrape has expired.",
    ),
)


def rules() -> str:
    """Prometheus' rule file."""
    lines = ["groups:", "  - name: querist", "    rules:"]
    for alert in ALERTS:
        labels = {"severity": alert.severity} | ({"action": alert.action} if alert.action else {})
        lines += [f"      - alert: {alert.name}", "        expr: |"]
        lines += [f"          {line}" for line in alert.expr.splitlines()]
        lines += [f"        for: {alert.lasting}", "        labels:"]
        lines += [f"          {name}: {value}" for name, value in labels.items()]
        lines += ["        annotations:"]
        lines += [
            f"          {name}: {json.dumps(text)}" for name, text in (("summary", alert.summary), ("todo", alert.todo))
        ]
    return "\n".join(lines) + "\n"
