"""Many people at once, and a server that dies under them."""

from __future__ import annotations

from pathlib import Path

import pytest
from many_people import make_project, play


@pytest.mark.long
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_each_item_is_answered_exactly_as_often_as_it_wants(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = "sqlite:///.querist/ledger.db" if database == "sqlite" else request.getfixturevalue("postgres")
    project = make_project(tmp_path, 300, overlap=2, ledger=url)
    found = play(project, 12, kills=3, seconds_between=1.0)
    assert found["kills"] >= 1
    assert found["failed_requests"] > 0
    assert set(found["answers"].values()) == {2}
    assert len(found["answers"]) == 300
    assert found["pairs"] == found["acknowledged"] == 600
