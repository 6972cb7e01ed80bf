"""Prometheus and Alertmanager themselves, with the files that querist writes, watch a `querist serve`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra web is not installed")
pytest.importorskip("grafana_foundation_sdk", reason="the extra grafana is not installed")

from machines import free_port
from many_people import Server

from querist.pipeline.accounts.people import add_user, make_token
from querist.pipeline.deploy.bundling import build
from querist.pipeline.metrics.alerts import ALERTS
from querist.pipeline.metrics.files import write_files
from querist.pipeline.project import Project
from querist.stages.deploy.bundle import activate
from querist.store.analyses import list_analyses

pytestmark = pytest.mark.systems
SECONDS = 600.0
"""To wait for anything; it takes a few on a machine with nothing else to do."""


def ask(url: str, **query: str) -> Any:
    address = f"{url}?{urllib.parse.urlencode(query)}" if query else url
    with urllib.request.urlopen(address, timeout=60) as answer:
        return json.load(answer)


def wait(look: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            if found := look():
                return found
        except (OSError, ValueError, LookupError):  # no answer yet, or not the whole of it
            pass
        time.sleep(0.3)
    raise TimeoutError(what)


class Watchers:
    """The server, and where Prometheus and Alertmanager answer."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.running = folder, list[subprocess.Popen[bytes]]()
        self.serving = ""
        self.prometheus, self.alertmanager = (f"http://127.0.0.1:{free_port()}" for _ in range(2))

    def start(self, name: str, *command: object) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self.running.append(subprocess.Popen([str(word) for word in command], stdout=log, stderr=log))

    def query(self, expr: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ask(f"{self.prometheus}/api/v1/query", query=expr)["data"]["result"]
        return found


@pytest.fixture
def watchers(watched: Project, programs: dict[str, str], tmp_path: Path) -> Iterator[Watchers]:
    """All three started with the files of `querist metrics write`; only intervals, ports and waits are shorter."""
    add_user(watched, "ops", "lead", by="test")
    server, ops = Server(watched.folder), tmp_path / "ops"
    made = Watchers(ops)
    serving = free_port()
    write_files(ops, "reviews", address=f"http://127.0.0.1:{server.port}", serving=f"http://127.0.0.1:{serving}")
    deployed = watched.folder / "deploy"
    activate(deployed, build(watched, out=deployed)["version"])
    token = make_token(watched, "ops", ["rounds"], days=None, by="test")[1]
    (ops / "querist-rounds.token").write_text(token)
    shorten(ops / "prometheus.yml", ("15s", "2s"), ("127.0.0.1:9093", made.alertmanager.removeprefix("http://")))
    shorten(ops / "querist-rules.yml", ("for: 1m", "for: 2s"))
    shorten(ops / "alertmanager.yml", ("group_wait: 10s", "group_wait: 1s"))
    server.start()
    try:
        made.start(
            "serving",
            sys.executable,
            "-m",
            "querist",
            "deploy",
            "serve",
            deployed,
            "--port",
            serving,
            "--log",
            ops / "log",
        )
        made.serving = f"http://127.0.0.1:{serving}"
        made.start(
            "alertmanager",
            programs["prometheus-alertmanager"],
            f"--config.file={ops}/alertmanager.yml",
            f"--web.listen-address={made.alertmanager.removeprefix('http://')}",
            "--cluster.listen-address=",
            f"--storage.path={tmp_path}/alerts",
        )
        made.start(
            "prometheus",
            programs["prometheus"],
            f"--config.file={ops}/prometheus.yml",
            f"--web.listen-address={made.prometheus.removeprefix('http://')}",
            f"--storage.tsdb.path={tmp_path}/tsdb",
        )
        yield made
    finally:
        for process in made.running:
            process.terminate()
            process.wait()
        server.kill()


def shorten(file: Path, *changes: tuple[str, str]) -> None:
    text = file.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")


def test_every_panel_has_series_and_the_drift_alert_opens_one_round(watched: Project, watchers: Watchers) -> None:
    wait(lambda: watchers.query("count_over_time(querist_labels[1m]) > 5"), "Prometheus did not scrape")
    wait(lambda: len(watchers.query("up == 1")) == 2, "Prometheus does not reach both")
    wait(
        lambda: ask(f"{watchers.serving}/readyz"), f"no model: {(watchers.folder / 'serving.log').read_text()[-2000:]}"
    )
    body = json.dumps({"items": [{"text": "great lovely fine"}, {"text": "awful and weak"}]}).encode()

    def predicted() -> list[Any]:
        """One more each time, since a rate needs what is new between two scrapes."""
        asked = urllib.request.Request(f"{watchers.serving}/v1/predict", body, {"content-type": "application/json"})
        urllib.request.urlopen(asked, timeout=60).close()
        return watchers.query("sum(rate(querist_serving_predictions_total[1m])) > 0")

    wait(predicted, "no prediction was counted")

    dashboard = json.loads((watchers.folder / "querist-dashboard.json").read_text())
    exprs = [(p["title"], t["expr"]) for p in dashboard["panels"] for t in p.get("targets", [])]
    for title, expr in exprs:
        filled = expr.replace("$__rate_interval", "1m").replace("$project", "reviews")
        wait(lambda expr=filled: predicted() and watchers.query(expr), f"{title}: no series for {filled}")
    assert len(exprs) >= 30

    def rules() -> list[dict[str, Any]]:
        """Once all of them were evaluated."""
        found = ask(f"{watchers.prometheus}/api/v1/rules")["data"]["groups"][0]["rules"]
        return [] if any(rule["health"] == "unknown" for rule in found) else found

    found = wait(rules, "rules were not evaluated")
    assert [rule["name"] for rule in found] == [alert.name for alert in ALERTS]
    assert {rule["health"] for rule in found} == {"ok"}

    def opened() -> list[Any]:
        with watched.ledger.read() as tx:
            return list_analyses(tx, "drift_round")

    def firing() -> set[str]:
        return {one["labels"]["alertname"] for one in ask(f"{watchers.alertmanager}/api/v2/alerts")}

    first = wait(opened, f"no round: see {watchers.folder / 'alertmanager.log'}")[0]
    assert re.fullmatch("Alertmanager: QueristDrift", first.result["why"])
    wait(lambda: {"QueristDrift", "QueristDriftWindow"} <= firing(), "Alertmanager was not told of both")
    time.sleep(3)
    assert len(opened()) == 1
