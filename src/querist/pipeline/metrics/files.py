"""The files with which Prometheus, Alertmanager and Grafana watch the loop."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

from querist.core.errors import SettingError
from querist.pipeline.metrics.alerts import JOB, REACTIVATE, SERVING_JOB, rules
from querist.pipeline.metrics.dashboard import dashboard

PROMETHEUS = """\
# prometheus --config.file=prometheus.yml
global:
  scrape_interval: 15s
  evaluation_interval: 15s
rule_files:
  - querist-rules.yml
alerting:
  alertmanagers:
    - static_configs:
        - targets: ["127.0.0.1:9093"]
scrape_configs:
  - job_name: {job}
    metrics_path: /metrics
    scheme: {scheme}
    static_configs:
      - targets: [{target}]
    # From another machine `querist serve` wants a token: querist users token NAME --scope metrics
    # authorization:
    #   credentials_file: querist-metrics.token
  - job_name: {serving_job}
    metrics_path: /metrics
    scheme: {serving_scheme}
    static_configs:
      - targets: [{serving_target}]
        labels:
          project: {project}
"""
ALERTMANAGER = """\
# prometheus-alertmanager --config.file=alertmanager.yml
route:
  receiver: people
  group_by: [alertname, project]
  group_wait: 10s
  group_interval: 5m
  repeat_interval: 4h
  routes:
    - matchers: [action = {action}]
      receiver: querist
      continue: true
    - matchers: [severity =~ "page|ticket"]
      receiver: people
receivers:
  # Put here whom to tell: email_configs, slack_configs, pagerduty_configs, ...
  - name: people
  # Opens the drift round. Its token: querist users token NAME --scope rounds
  - name: querist
    webhook_configs:
      - url: {url}
        send_resolved: false
        http_config:
          authorization:
            credentials_file: querist-rounds.token
"""


def write_files(folder: Path, project: str, *, address: str, serving: str) -> list[Path]:
    """Writes them for the project of this name, where `querist serve` is at `address` and `querist deploy serve` at
    `serving` (http://host:port); files that are there are replaced.
    """
    scheme, target = _parts(address)
    serving_scheme, serving_target = _parts(serving)
    prometheus = PROMETHEUS.format(
        job=JOB,
        scheme=scheme,
        target=json.dumps(target),
        serving_job=SERVING_JOB,
        serving_scheme=serving_scheme,
        serving_target=json.dumps(serving_target),
        project=json.dumps(project),
    )
    url = f"{scheme}://{target}/api/v1/alerts"
    texts = {
        "querist-rules.yml": rules(),
        "prometheus.yml": prometheus,
        "alertmanager.yml": ALERTMANAGER.format(action=REACTIVATE, url=json.dumps(url)),
        "querist-dashboard.json": dashboard(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def _parts(address: str) -> tuple[str, str]:
    """(scheme, host and port). Raises SettingError where that is not what it is."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/") or "@" in parts.netloc:
        raise SettingError(f"{address!r} is no address such as http://127.0.0.1:8765")
    return parts.scheme, parts.netloc
