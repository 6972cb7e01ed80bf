"""While somebody writes, whatever only looks goes on."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from web_client import ByHeader

from querist.pipeline.accounts.people import list_users
from querist.pipeline.project import Project
from querist.pipeline.rounds import due
from querist.store import ledger
from querist.web.app import create_app


def test_what_only_reads_does_not_stand_in_the_line_of_writers(
    waiting: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "PATIENCE", 0.05)
    client = TestClient(create_app(waiting, gate=ByHeader()), headers={"x-person": "lea", "x-role": "lead"})
    with waiting.ledger.begin():
        assert due(waiting) is None
        assert (waiting.next_round(), waiting.stop(), waiting.classes()) == (0, None, ("pos", "neg"))
        assert waiting.digest()
        assert waiting.status()
        assert list_users(waiting) == []
        for path in ("/api/v1/annotations", "/api/v1/rounds/0/queries", "/api/v1/status", "/lead", "/lead/people"):
            assert client.get(path).status_code == 200, path
