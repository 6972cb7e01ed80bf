"""The log of deliveries does not grow for ever."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from querist.pipeline.exchange.webhooks import deliver_due, deliveries
from querist.pipeline.project import Project
from querist.store import webhooks as store
from querist.store.ledger import Ledger
from querist.store.webhooks import Delivery

NOW = datetime(2026, 3, 1, tzinfo=UTC)
URL = "https://example.org/hook"


@pytest.mark.parametrize("state", ["delivered", "waiting", "given up"])
def test_what_was_delivered_is_forgotten_after_its_time_and_nothing_else(ledger: Ledger, state: str) -> None:
    with ledger.begin() as tx:
        store.remember(tx, URL, {"annotation": 0, "opened": 0, "completed": 0, "evaluated": 0, "seen": 0, "until": 0})
        for days in (29, 31):
            at = NOW - timedelta(days=days)
            one = Delivery(f"d{days}", URL, "round.opened", "{}", at=at.isoformat())
            store.put(tx, [one])
            if state != "waiting":
                error = "" if state == "delivered" else "status 500"
                store.record_attempt(tx, one, status=200, error=error, again=None, now=at)
        pruned = store.prune(tx, before=NOW - timedelta(days=30))
        left = [d.id for d in store.list_deliveries(tx)]
    assert (pruned, left) == ((1, ["d29"]) if state == "delivered" else (0, ["d31", "d29"]))


def test_the_log_shows_the_deliveries_of_the_last_thirty_days(
    folder: Any, reviews: Any, receive: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("httpx", reason="the extra web is not installed")
    receiver = receive()
    told = f'[webhooks]\nurls = ["{receiver.url}"]\nallow_private = true\n'
    (folder / "querist.toml").write_text((folder / "querist.toml").read_text() + told)
    monkeypatch.setenv("QUERIST_WEBHOOK_SECRET", "a secret for tests")
    project = Project(folder)
    project.ingest(reviews)
    from querist.pipeline.exchange.sender import Sender

    client = Sender(allow_private=True)
    start = project.clock()
    deliver_due(project, start, client)  # from now on it hears all
    project.run(rounds=0, oracle="label")
    deliver_due(project, start, client)
    first = {d["id"] for d in deliveries(project)}
    assert first
    project.run(rounds=1, oracle="label")
    deliver_due(project, start + timedelta(days=31), client)
    kept = {d["id"] for d in deliveries(project)}
    assert kept
    assert not kept & first
    deliver_due(project, start + timedelta(days=32), client)
    assert {d["id"] for d in deliveries(project)} == kept  # what was forgotten is not told again
