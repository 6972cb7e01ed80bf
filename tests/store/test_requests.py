"""Keys of requests: claimed once, kept for a day, and not too many of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest
from sqlalchemy import func, select

from querist.store import requests, tables
from querist.store.ledger import Ledger, digest
from querist.store.requests import Earlier, claim, forget, keep

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_a_key_is_claimed_kept_and_told(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        before = digest(tx)
        assert claim(tx, "ada", "k", "body", now=NOW) is None
        assert claim(tx, "ada", "k", "body", now=NOW) == Earlier("body", None, "")
        keep(tx, "ada", "k", claimed=NOW, status=200, answer="{}")
        forget(tx, "ada", "k", claimed=NOW)
        assert claim(tx, "ada", "k", "other", now=NOW) == Earlier("body", 200, "{}")
        assert claim(tx, "eve", "k", "other", now=NOW) is None
        assert digest(tx) == before, "no part of what the loop decided"


def test_a_key_is_free_after_a_day_or_when_let_go_of_or_two_minutes_after_a_death(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        claim(tx, "ada", "kept", "body", now=NOW)
        keep(tx, "ada", "kept", claimed=NOW, status=200, answer="{}")
        claim(tx, "ada", "let go of", "body", now=NOW)
        forget(tx, "ada", "let go of", claimed=NOW)
        assert claim(tx, "ada", "let go of", "body", now=NOW) is None
        claim(tx, "ada", "dead", "body", now=NOW)
        almost = NOW + timedelta(minutes=2, milliseconds=-1)
        assert claim(tx, "ada", "dead", "body", now=almost) is not None
        assert claim(tx, "ada", "dead", "other", now=NOW + timedelta(minutes=2)) == Earlier("body", None, "")
        assert claim(tx, "ada", "dead", "body", now=NOW + timedelta(minutes=2)) is None
        assert claim(tx, "ada", "dead", "body", now=NOW + timedelta(minutes=2)) is not None, "claimed again"
        assert claim(tx, "ada", "kept", "body", now=NOW + timedelta(hours=23)) is not None
        assert claim(tx, "ada", "kept", "body", now=NOW + timedelta(days=1)) is None


def test_whoever_took_so_long_that_another_claimed_the_key_changes_nothing_any_more(ledger: Ledger) -> None:
    later = NOW + timedelta(minutes=3)
    with ledger.begin() as tx:
        claim(tx, "ada", "k", "body", now=NOW)
        assert claim(tx, "ada", "k", "body", now=later) is None
        forget(tx, "ada", "k", claimed=NOW)
        assert claim(tx, "ada", "k", "body", now=later) == Earlier("body", None, ""), "still the second's"
        keep(tx, "ada", "k", claimed=NOW, status=200, answer="first")
        assert claim(tx, "ada", "k", "body", now=later) == Earlier("body", None, "")
        keep(tx, "ada", "k", claimed=later, status=200, answer="second")
        assert claim(tx, "ada", "k", "body", now=later) == Earlier("body", 200, "second")


def test_of_each_caller_the_newest_are_kept(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "MOST", 3)
    with ledger.begin() as tx:
        claim(tx, "eve", "0", "body", now=NOW)
        for second in range(5):
            claim(tx, "ada", str(second), "body", now=NOW + timedelta(seconds=second))
        table = tables.requests
        kept = tx.execute(select(table.c.caller, table.c.key).order_by(table.c.caller, table.c.key)).all()
    assert [tuple(row) for row in kept] == [("ada", "2"), ("ada", "3"), ("ada", "4"), ("eve", "0")]


def test_of_several_at_once_one_gets_the_key(ledger: Ledger) -> None:
    got: list[Earlier | None] = []
    barrier = Barrier(4)

    def grab() -> None:
        barrier.wait()
        with ledger.begin() as tx:
            got.append(claim(tx, "ada", "k", "body", now=NOW))

    threads = [Thread(target=grab) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got.count(None) == 1
    with ledger.read() as tx:
        assert tx.execute(select(func.count()).select_from(tables.requests)).scalar_one() == 1
