"""How far a receiver was told, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from querist.store import webhooks as store
from querist.store.annotations import Annotation, add_annotations
from querist.store.ledger import Ledger, iso
from querist.store.rounds import Round, open_round
from querist.store.steps import Done, add_step
from querist.store.webhooks import Delivery, News

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
URL = "https://example.org/hook"


def answer(id: str) -> Annotation:
    return Annotation(id, f"item-{id}", 0, "pool", "pos", "ada")


def say(ledger: Ledger, *ids: str) -> None:
    with ledger.begin() as tx:
        add_annotations(tx, [answer(id) for id in ids], now=NOW)


def news(ledger: Ledger, url: str = URL) -> News:
    with ledger.read() as tx:
        found = store.news(tx, url, store.horizon(tx))
    with ledger.begin() as tx:
        store.remember(tx, url, found.moved)
    return found


def told(ledger: Ledger, url: str = URL) -> list[str]:
    return [a.id for a in news(ledger, url).annotations]


def queue(ledger: Ledger, *ids: str, url: str = URL) -> int:
    with ledger.begin() as tx:
        return store.put(tx, [Delivery(id, url, "annotation.created", "{}", at=iso(NOW)) for id in ids])


def claim(ledger: Ledger, n: int = 10, *, now: datetime = NOW, url: str = URL) -> list[Delivery]:
    with ledger.begin() as tx:
        return store.claim(tx, url, n, now=now, seconds=60)


def test_each_annotation_is_news_once_for_each_receiver(ledger: Ledger) -> None:
    say(ledger, "before")
    assert told(ledger) == [], "the past is no news"
    say(ledger, "a", "b")
    assert told(ledger) == ["a", "b"]
    assert told(ledger) == []
    assert told(ledger, "https://example.org/other") == []
    say(ledger, "c")
    assert told(ledger) == told(ledger, "https://example.org/other") == ["c"]


def test_an_annotation_that_is_committed_late_is_not_passed_over(ledger: Ledger) -> None:
    if ledger.url.startswith("sqlite"):
        pytest.skip("SQLite has one writer at a time")
    told(ledger)
    with ledger.begin() as slow:
        add_annotations(slow, [answer("slow")], now=NOW)
        say(ledger, "quick")
        assert told(ledger) == [], "one with a lower number may still come"
        assert told(ledger) == []
    assert told(ledger) == ["slow", "quick"]
    assert told(ledger) == []


def test_while_transactions_never_cease_news_still_come(ledger: Ledger) -> None:
    if ledger.url.startswith("sqlite"):
        pytest.skip("SQLite has one writer at a time")
    told(ledger)
    heard: list[str] = []
    open_ = [ledger.begin() for _ in range(6)]
    txs = []
    for number, one in enumerate(open_):
        txs.append(one.__enter__())
        add_annotations(txs[-1], [answer(f"n{number}")], now=NOW)
        if number >= 2:
            open_[number - 2].__exit__(None, None, None)
        heard += told(ledger)
    assert heard == ["n0", "n1"] or heard == ["n0", "n1", "n2"]
    for one in open_[-2:]:
        one.__exit__(None, None, None)
    heard += told(ledger)
    assert sorted(heard) == [f"n{number}" for number in range(6)]


def test_rounds_are_news_as_they_open_complete_and_are_evaluated(ledger: Ledger) -> None:
    def rounds() -> tuple[list[int], list[int], list[int]]:
        found = news(ledger)
        return list(found.opened), list(found.ended["human_labeling"]), list(found.ended["evaluation"])

    def open_(number: int) -> None:
        with ledger.begin() as tx:
            open_round(tx, Round(number, "snap", "kmeans", None, {}, "", "key", "0.1.0", ""), [], now=NOW)

    def do(number: int, *names: str) -> None:
        with ledger.begin() as tx:
            for name in names:
                add_step(tx, Done(number, name, 1, "in", {}, iso(NOW), 1.0, {}, "0.1.0"))

    open_(0)
    do(0, "human_labeling", "evaluation")
    open_(1)
    assert rounds() == ([1], [], []), "a new receiver hears which round is open"
    do(1, "human_labeling")
    assert rounds() == ([], [1], [])
    do(1, "retraining", "evaluation")
    open_(2)
    assert rounds() == ([2], [], [1])
    assert rounds() == ([], [], [])


def test_a_delivery_is_queued_once_and_claimed_by_one(ledger: Ledger) -> None:
    assert queue(ledger, "a", "b") == 2
    assert queue(ledger, "b", "c") == 1
    assert queue(ledger, "d", url="https://example.org/other") == 1
    assert [d.id for d in claim(ledger, 2)] == ["a", "b"]
    assert [d.id for d in claim(ledger)] == ["c"]
    assert claim(ledger) == []
    later = NOW + timedelta(seconds=60)
    assert [d.id for d in claim(ledger, now=later)] == ["a", "b", "c"], "whoever claimed them has died"


def test_an_attempt_ends_a_delivery_or_puts_it_off(ledger: Ledger) -> None:
    queue(ledger, "a", "b", "c")
    a, b, c = claim(ledger)
    again = NOW + timedelta(seconds=5)
    with ledger.begin() as tx:
        store.record_attempt(tx, a, status=200, error="", again=again, now=NOW)
        store.record_attempt(tx, b, status=None, error="no answer", again=again, now=NOW)
        store.record_attempt(tx, c, status=500, error="status 500", again=None, now=NOW)
        states = {d.id: (d.state, d.attempts, d.status) for d in store.list_deliveries(tx)}
        assert not store.has_due(tx, URL, now=NOW)
        assert store.has_due(tx, URL, now=again)
        assert [d.id for d in store.list_deliveries(tx, state="given up")] == ["c"]
    assert states == {"a": ("delivered", 1, 200), "b": ("waiting", 1, None), "c": ("given up", 1, 500)}
    with ledger.begin() as tx:
        assert store.requeue(tx, ["a"], now=NOW) == 0
        assert store.requeue(tx, None, now=NOW) == 1
    assert [d.id for d in claim(ledger)] == ["c"]


def test_what_was_claimed_and_not_tried_is_due_again(ledger: Ledger) -> None:
    queue(ledger, "a", "b")
    claimed = claim(ledger)
    with ledger.begin() as tx:
        store.put_back(tx, claimed[1:], now=NOW)
    assert [d.id for d in claim(ledger)] == ["b"]


def test_an_incoming_id_is_received_once(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        assert store.receive(tx, "d-1", now=NOW)
        assert not store.receive(tx, "d-1", now=NOW)
        assert store.receive(tx, "d-2", now=NOW)


def test_when_nothing_happens_there_is_nothing_to_write(ledger: Ledger) -> None:
    news(ledger)
    say(ledger, "a")
    assert news(ledger).moved
    assert not news(ledger).moved
    with ledger.begin() as tx:
        store.receive(tx, "another transaction", now=NOW)
    assert not news(ledger).moved
