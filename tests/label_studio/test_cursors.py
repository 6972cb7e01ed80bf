"""How far a source was read, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from querist.store.cursors import get_cursor, set_cursor
from querist.store.ledger import Ledger


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_cursor_is_the_last_that_was_set(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db" if database == "sqlite" else request.getfixturevalue("postgres")
    ledger = Ledger(url)
    with ledger.begin() as tx:
        assert get_cursor(tx, "a") is None
        for at in ("2026-01-01", "2026-01-02"):
            set_cursor(tx, "a", at)
    with ledger.read() as tx:
        assert (get_cursor(tx, "a"), get_cursor(tx, "b")) == ("2026-01-02", None)
    ledger.close()
