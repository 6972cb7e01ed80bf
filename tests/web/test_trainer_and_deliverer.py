"""The threads beside the pages: whatever goes wrong in them, they go on and say so."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from web_client import entry, lease, send

from querist.core.errors import LedgerError
from querist.pipeline.project import Project
from querist.web import deliverer, trainer
from querist.web.trainer import Trainer

AsPerson = Callable[..., TestClient]


def until(true: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def watched(waiting: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trainer]:
    """Looks every hundredth of a second; a run does nothing and ends well."""
    monkeypatch.setattr(trainer, "SECONDS", 0.01)
    runs: list[str] = []

    def run(self: Trainer) -> bool:
        runs.append(self.state.why)
        return True

    monkeypatch.setattr(Trainer, "_run", run)
    made = Trainer(waiting)
    made.runs = runs  # type: ignore[attr-defined]
    yield made
    made.stop()


@pytest.mark.parametrize("error", [LedgerError("the ledger was busy"), RuntimeError("nobody thought of this")])
def test_a_look_that_fails_is_told_and_followed_by_another(
    watched: Trainer, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_: Project) -> Any:
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(trainer, "due", fail)
        watched.start()
        until(lambda: watched.state.kind == "failed")
        assert watched.state.why
    until(lambda: watched.state.kind == "labeling")


def test_who_asks_too_early_starts_no_round_later(waiting: Project, as_person: AsPerson, watched: Trainer) -> None:
    watched._project.settings.labeling.__dict__["start_rounds"] = False
    watched.start()
    watched.look()
    time.sleep(0.2)
    ada = as_person("ada")
    send(ada, *(entry(task["item"]) for task in lease(ada, 20)))
    until(lambda: watched.state.kind == "complete")
    time.sleep(0.2)
    assert watched.runs == []  # type: ignore[attr-defined]


def test_a_run_that_changes_nothing_is_not_repeated_at_once(as_person: AsPerson, watched: Trainer) -> None:
    ada = as_person("ada")
    send(ada, *(entry(task["item"], None) for task in lease(ada, 20)))  # without a label there is nothing to learn
    watched.start()
    until(lambda: watched.runs)  # type: ignore[attr-defined]
    time.sleep(0.3)
    assert len(watched.runs) == 1  # type: ignore[attr-defined]


def test_webhooks_go_on_after_any_error(waiting: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def deliver(*_: object) -> int:
        calls.append(1)
        raise RuntimeError("nobody thought of this")

    waiting.settings.webhooks.__dict__["urls"] = ["https://example.org"]
    monkeypatch.setenv(waiting.settings.webhooks.secret_env, "secret")
    monkeypatch.setattr(deliverer, "SECONDS", 0.01)
    monkeypatch.setattr(deliverer, "deliver_due", deliver)
    made = deliverer.Deliverer(waiting)
    made.start()
    until(lambda: len(calls) > 2)
    made.stop()
