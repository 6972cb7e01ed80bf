"""/metrics for Prometheus, and the webhook by which Alertmanager opens a round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra web is not installed")

from fastapi.testclient import TestClient

from querist.core.errors import Busy
from querist.pipeline.accounts.people import add_user, make_token
from querist.pipeline.monitoring import alerting
from querist.pipeline.project import Project
from querist.store.analyses import add_analysis, list_analyses
from querist.web.app import create_app
from querist.web.auth import Gate

Client = Callable[..., TestClient]


@pytest.fixture
def client(watched: Project) -> Client:
    """A client on some machine, with a token of these scopes."""
    app = create_app(watched, gate=Gate(watched, names=["testserver"]))
    add_user(watched, "ops", "lead", by="test")

    def made(*scopes: str, host: str = "192.0.2.7", **headers: str) -> TestClient:
        token = make_token(watched, "ops", scopes, days=None, by="test")[1] if scopes else ""
        signed = {"authorization": f"Bearer {token}"} if token else {}
        return TestClient(app, headers={**signed, **headers}, client=(host, 50_000))

    return made


def alert(name: str = "QueristDrift", **changes: Any) -> dict[str, Any]:
    """As Alertmanager sends it, with fields that querist does not read."""
    labels = {"alertname": name, "project": "reviews", "action": "reactivate", **changes.pop("labels", {})}
    return {
        "status": "firing",
        "labels": labels,
        "annotations": {"summary": "drift"},
        "startsAt": "2026-01-01T00:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": f"{abs(hash(name)):016x}"[:16],
        **changes,
    }


def post(client: TestClient, *alerts: dict[str, Any]) -> dict[str, Any]:
    answer = client.post("/api/v1/alerts", json={"version": "4", "status": "firing", "alerts": list(alerts)})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def drift_rounds(project: Project) -> list[int | None]:
    with project.ledger.read() as tx:
        return [a.round for a in list_analyses(tx, "drift_round")]


def test_a_program_on_the_same_machine_needs_no_token(client: Client) -> None:
    answer = client(host="127.0.0.1").get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'querist_labels{project="reviews"} 40.0' in answer.text


def test_a_proxy_on_the_same_machine_speaks_for_others(client: Client) -> None:
    assert client(host="127.0.0.1", **{"x-forwarded-for": "192.0.2.7"}).get("/metrics").status_code == 401


def test_others_need_a_token_for_metrics(client: Client) -> None:
    assert client().get("/metrics").status_code == 401
    assert client("tasks").get("/metrics").status_code == 403
    assert client("metrics").get("/metrics").status_code == 200
    assert client("metrics").get("/api/v1/status").status_code == 403


def test_an_alert_opens_a_round_and_a_second_one_does_not(watched: Project, client: Client) -> None:
    ops = client("rounds")
    assert post(ops, alert()) == {"taken": 1, "round": 2, "opened": True, "reason": "Alertmanager: QueristDrift"}
    again = post(ops, alert("Other"))
    assert (again["round"], again["opened"]) == (2, False)
    assert "open already" in again["reason"]
    assert drift_rounds(watched) == [2]


def test_two_alerts_in_one_message_open_one_round(watched: Project, client: Client) -> None:
    assert post(client("rounds"), alert(), alert("Other"))["taken"] == 2
    assert drift_rounds(watched) == [2]


def test_an_alert_that_is_sent_again_opens_nothing_even_when_its_round_is_over(
    watched: Project, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ops = client("rounds")
    post(ops, alert())
    watched.run()  # the round that waits has no labels yet, so nothing moves
    opened: list[str] = []
    monkeypatch.setattr(alerting, "open_drift_round", lambda _, why: opened.append(why) or {"round": 3})
    assert post(ops, alert())["round"] == 2
    assert opened == []
    later = alert(startsAt="2026-02-01T00:00:00Z")  # it was over, and fires anew
    monkeypatch.undo()
    assert post(ops, later)["round"] == 2


def test_a_drift_alarm_that_fires_anew_opens_no_round_before_the_next_alarm(
    watched: Project, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scrape that failed ends the alert in Prometheus, and the next one starts it anew; the alarm is the same."""
    ops, opened = client("rounds"), iter(range(2, 9))
    monkeypatch.setattr(alerting, "open_drift_round", lambda *_: {"round": next(opened), "opened": True, "reason": ""})
    alarm(watched)
    assert post(ops, alert())["round"] == 2
    assert post(ops, alert(startsAt="2026-02-01T00:00:00Z"))["reason"] == "the alert has opened its round before"
    assert post(ops, alert("Other", startsAt="2026-02-02T00:00:00Z"))["round"] == 3, "another one is another matter"
    alarm(watched)
    assert post(ops, alert(startsAt="2026-02-03T00:00:00Z"))["round"] == 4


def test_a_new_alert_opens_a_round_beside_one_that_still_fires(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alertmanager sends a group whole: what fires since long comes with what has just begun."""
    ops, told = client("rounds"), []
    monkeypatch.setattr(
        alerting,
        "open_drift_round",
        lambda _, why: told.append(why) or {"round": 1 + len(told), "opened": True, "reason": why},
    )
    post(ops, alert("Old"))
    assert post(ops, alert("Old"), alert("New"))["round"] == 3
    assert post(ops, alert("Old"), alert("New"))["reason"] == "the alert has opened its round before"
    assert told == ["Alertmanager: Old", "Alertmanager: New"]


def alarm(project: Project) -> None:
    with project.ledger.begin() as tx:
        add_analysis(tx, "alert", {}, round=1, now=project.clock())


@pytest.mark.parametrize(
    "other", [{"status": "resolved"}, {"labels": {"project": "another"}}, {"labels": {"action": "none"}}]
)
def test_what_asks_for_nothing_is_taken_for_nothing(watched: Project, client: Client, other: dict[str, Any]) -> None:
    assert post(client("rounds"), alert(**other))["taken"] == 0
    assert drift_rounds(watched) == []


def test_alerts_need_a_token_even_on_the_same_machine(client: Client) -> None:
    body = {"alerts": [alert()]}
    assert client(host="127.0.0.1").post("/api/v1/alerts", json=body).status_code == 401
    assert client("metrics").post("/api/v1/alerts", json=body).status_code == 403


@pytest.mark.parametrize("wrong", [{"fingerprint": "x y"}, {"startsAt": "soon"}, {"status": "maybe"}, {"labels": 3}])
def test_what_alertmanager_would_not_send_is_refused(client: Client, wrong: dict[str, Any]) -> None:
    body = {"alerts": [alert() | wrong]}
    assert client("rounds").post("/api/v1/alerts", json=body).status_code == 422


def test_a_project_at_work_is_asked_again_later(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> None:
        raise Busy("another process is working on the project")

    monkeypatch.setattr(alerting, "open_drift_round", busy)
    answer = client("rounds").post("/api/v1/alerts", json={"alerts": [alert()]})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
