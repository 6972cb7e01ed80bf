"""The rules, the dashboard and the configurations that come from the list of metrics."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from querist.cli import cli
from querist.pipeline.metrics.alerts import ALERTS
from querist.pipeline.metrics.catalogue import BY_NAME, METRICS
from querist.pipeline.metrics.panels import ROWS
from querist.pipeline.project import Project
from querist.serving.metrics import Metrics

pytest.importorskip("grafana_foundation_sdk", reason="the extra grafana is not installed")

NAME = re.compile(r"\bquerist_\w+")
PANELS = [panel for row in ROWS.values() for panel in row]


def named(*exprs: str) -> set[str]:
    found = {name for expr in exprs for name in NAME.findall(expr)}
    return {
        re.sub(r"(answer_seconds|request_seconds|batch_items|confidence)_(bucket|sum|count)$", r"\1", n) for n in found
    }


def of_the_served_model() -> set[str]:
    families = Metrics().registry.collect()
    return {f"{family.name}_total" if family.type == "counter" else family.name for family in families}


@pytest.fixture
def written(tmp_path: Path, folder: Path) -> Path:
    done = CliRunner().invoke(cli, ["metrics", "write", str(tmp_path / "ops"), "--project", str(folder)])
    assert done.exit_code == 0, done.output
    return tmp_path / "ops"


def test_every_metric_has_a_panel_and_every_panel_and_alert_has_known_metrics() -> None:
    known = BY_NAME.keys() | of_the_served_model()
    assert named(*(expr for panel in PANELS for expr, _ in panel.queries)) == known
    assert named(*(alert.expr for alert in ALERTS)) <= known
    assert len({alert.name for alert in ALERTS}) == len(ALERTS)


def test_the_dashboard_numbers_its_panels_and_lays_none_over_another(written: Path) -> None:
    dashboard = json.loads((written / "querist-dashboard.json").read_text())
    panels = dashboard["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(PANELS) + len(ROWS) + 1))
    cells: dict[tuple[int, int], int] = {}
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert cells.setdefault((x, y), panel["id"]) == panel["id"], panel["title"]
        if panel["type"] != "row":
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert panel["datasource"]["uid"] == "${datasource}"
            assert all('project="$project"' in target["expr"] for target in panel["targets"])


def test_prometheus_and_alertmanager_accept_the_files(
    written: Path, promtool: Callable[..., None], amtool: str
) -> None:
    promtool("check", "rules", written / "querist-rules.yml")
    promtool("check", "config", "--syntax-only", written / "prometheus.yml")
    done = subprocess.run([amtool, "check-config", written / "alertmanager.yml"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


P = 'project="p"'


def case(alert: str, series: dict[str, str], at: str, labels: dict[str, str] | None) -> dict[str, Any]:
    """One test of promtool: at `at`, the alert fires with these labels, or does not (None)."""
    found = next(a for a in ALERTS if a.name == alert)
    expected = {"severity": found.severity} | ({"action": found.action} if found.action else {})
    shown = [] if labels is None else [{"exp_labels": expected | labels, "exp_annotations": {}}]
    return {
        "interval": "1m",  # under the look-back of 5 minutes, or values go stale in between
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": at, "alertname": alert, "exp_alerts": shown}],
    }


CASES = [
    *(
        case(
            "QueristServingFails",
            {
                f'querist_serving_requests_total{{{P}, route="r", status="200"}}': "0+100x60",
                f'querist_serving_requests_total{{{P}, route="r", status="503"}}': f"0+{failed}x60",
            },
            "30m",
            {"project": "p"} if failed > 2 else None,
        )
        for failed in (1, 10)
    ),
    case("QueristDrift", {f"querist_drift_alarm{{{P}}}": "0x5 1x20"}, "10m", {"project": "p"}),
    case("QueristDrift", {f"querist_drift_alarm{{{P}}}": "0x30"}, "10m", None),
    *(
        case(
            "QueristDriftWindow",
            {
                f'querist_drift{{{P}, statistic="mmd"}}': "0.4x20",
                f'querist_drift_threshold{{{P}, statistic="mmd"}}': "0.1x20",
                f"querist_drift_windows_over{{{P}}}": f"{over}x20",
            },
            "10m",
            {"project": "p", "statistic": "mmd"} if over else None,
        )
        for over in (0, 1)
    ),
    *(
        case(
            "QueristQueueStalled",
            {
                f"querist_queue_items{{{P}}}": "12x1700",
                f"querist_queue_oldest_timestamp_seconds{{{P}}}": "0x1700",
                f"querist_answers_total{{{P}}}": f"0+{step}x1700",
            },
            "27h",
            {"project": "p"} if step == 0 else None,
        )
        for step in (0, 1)
    ),
    *(
        case(
            "QueristTrainingStalled",
            {f"querist_queue_items{{{P}}}": "0x100", f"querist_round{{{P}}}": "3x100", **evaluated},
            "90m",
            labels,
        )
        for evaluated, labels in (
            ({f"querist_round_evaluated{{{P}}}": "2x100"}, {"project": "p"}),
            ({}, {"project": "p"}),
            ({f"querist_round_evaluated{{{P}}}": "3x100"}, None),
        )
    ),
    *(
        case(
            "QueristQualityDropped",
            {
                f'querist_objective_low{{{P}, metric="{metric}"}}': low,
                f'querist_objective_high{{{P}, metric="{metric}"}}': high,
            },
            "30m",
            labels,
        )
        for metric, low, high, labels in (
            ("accuracy", "0.85x10 0.7x30", "0.95x10 0.8x30", {"project": "p", "metric": "accuracy"}),
            ("accuracy", "0.85x10 0.8x30", "0.95x10 0.9x30", None),
            ("log_loss", "0.2x10 0.5x30", "0.3x10 0.6x30", {"project": "p", "metric": "log_loss"}),
            ("log_loss", "0.5x10 0.2x30", "0.6x10 0.3x30", None),
        )
    ),
    *(
        case(
            "QueristBadlyCalibrated",
            {
                f"querist_calibration_error{{{P}}}": f"{error}x20",
                f"querist_calibration_error_limit{{{P}}}": "0.05x20",
            },
            "10m",
            {"project": "p"} if error > 0.05 else None,
        )
        for error in (0.2, 0.04)
    ),
    *(
        case(
            "QueristBudgetLow",
            {
                f'querist_budget{{{P}, resource="labels"}}': "100x20",
                f'querist_budget_left{{{P}, resource="labels"}}': f"{left}x20",
            },
            "10m",
            {"project": "p", "resource": "labels"} if left < 10 else None,
        )
        for left in (9, 10)
    ),
    *(
        case(
            "QueristAgreementLow",
            {f'querist_agreement{{{P}, statistic="alpha"}}': f"{alpha}x100"},
            "90m",
            {"project": "p", "statistic": "alpha"} if alpha < 0.667 else None,
        )
        for alpha in (0.5, 0.7)
    ),
    *(
        case(
            "QueristDown",
            {'up{job="querist", instance="i"}': f"{up}x20"},
            "10m",
            None if up else {"job": "querist", "instance": "i"},
        )
        for up in (0, 1)
    ),
]


def test_every_alert_fires_when_it_should_and_not_else(
    written: Path, tmp_path: Path, promtool: Callable[..., None]
) -> None:
    assert {alert.name for alert in ALERTS} == {c["alert_rule_test"][0]["alertname"] for c in CASES}
    # promtool compares annotations, too: leave them out of the rules it tests
    rules = re.sub(r"        annotations:\n(          .*\n)+", "", (written / "querist-rules.yml").read_text())
    (tmp_path / "rules.yml").write_text(rules)
    tests = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": CASES}
    (tmp_path / "test.yml").write_text(json.dumps(tests))  # JSON is YAML
    promtool("test", "rules", tmp_path / "test.yml")


def test_an_alert_says_figures_that_people_can_read(
    written: Path, tmp_path: Path, promtool: Callable[..., None]
) -> None:
    test = case(
        "QueristDriftWindow",
        {
            f'querist_drift{{{P}, statistic="mmd"}}': "0.4x20",
            f'querist_drift_threshold{{{P}, statistic="mmd"}}': "0.1x20",
            f"querist_drift_windows_over{{{P}}}": "1x20",
        },
        "10m",
        {"project": "p", "statistic": "mmd"},
    )
    test["alert_rule_test"][0]["exp_alerts"][0]["exp_annotations"] = {
        "summary": "p: mmd is 0.4, over its threshold",
        "todo": "Wait for the next window: one alone may be chance.",
    }
    content = {"rule_files": [str(written / "querist-rules.yml")], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "test.yml").write_text(json.dumps(content))
    promtool("test", "rules", tmp_path / "test.yml")


def test_the_command_prints_or_writes_what_prometheus_reads(watched: Project, tmp_path: Path) -> None:
    there = ["--project", str(watched.folder)]
    printed = CliRunner().invoke(cli, ["metrics", *there])
    assert printed.exit_code == 0
    assert f'querist_answers_total{{project="{watched.settings.project.name}"}} 40.0\n' in printed.output
    target = tmp_path / "querist.prom"
    assert CliRunner().invoke(cli, ["metrics", "--out", str(target), *there]).exit_code == 0
    assert target.read_text() == printed.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["project", "querist.prom"]  # no half-written file


def test_every_metric_says_what_it_is() -> None:
    assert all(metric.about.endswith(".") for metric in METRICS)
    assert [m.name for m in METRICS if m.kind == "counter"] == [m.name for m in METRICS if m.name.endswith("_total")]
