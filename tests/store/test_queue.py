"""Leases and the queue, on both databases."""

from __future__ import annotations

import random
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from querist.store import queue
from querist.store.annotations import Annotation, add_annotations, effort, list_annotations, page_of_annotations
from querist.store.ledger import Ledger
from querist.store.rounds import Query, Round, open_round

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = NOW + timedelta(minutes=11)


def ask(ledger: Ledger, n: int, *, wanted: int = 1, round: int = 0) -> list[str]:
    items = [f"r{round}-{i}" for i in range(n)]
    opened = Round(round, "snap", "kmeans", None, {}, "", "key", "0.1.0", "")
    asked = [Query(round, i, item, i, "pool", 0.5, {}, "kmeans", None, {}, wanted) for i, item in enumerate(items)]
    with ledger.begin() as tx:
        open_round(tx, opened, asked, now=NOW)
    return items


def lease(ledger: Ledger, who: str, n: int = 2, *, tab: str = "t", now: datetime = NOW) -> list[str]:
    with ledger.begin() as tx:
        return queue.lease(tx, who, tab, n, now=now, minutes=10)


def answer(ledger: Ledger, who: str, item: str, *, supersedes: str | None = None, kind: str = "answer") -> str:
    made = Annotation(uuid4().hex, item, 0, "pool", "pos", who, supersedes=supersedes, kind=kind)
    with ledger.begin() as tx:
        assert add_annotations(tx, [made], now=NOW) == 1
    return made.id


def waiting(ledger: Ledger, round: int | None = None) -> int:
    with ledger.begin() as tx:
        return queue.waiting(tx, round=round)


def test_items_come_in_the_order_asked_and_to_one_person_each(ledger: Ledger) -> None:
    ask(ledger, 5)
    assert lease(ledger, "ada") == ["r0-0", "r0-1"]
    assert lease(ledger, "ben") == ["r0-2", "r0-3"]
    assert lease(ledger, "cyd") == ["r0-4"]
    assert lease(ledger, "dan") == []


def test_who_asks_again_gets_what_they_hold_and_then_more(ledger: Ledger) -> None:
    ask(ledger, 4)
    assert lease(ledger, "ada", 2) == ["r0-0", "r0-1"]
    assert lease(ledger, "ada", 3) == ["r0-0", "r0-1", "r0-2"]


def test_two_tabs_of_one_person_never_hold_the_same_item(ledger: Ledger) -> None:
    ask(ledger, 4)
    assert lease(ledger, "ada", tab="left") == ["r0-0", "r0-1"]
    assert lease(ledger, "ada", tab="right") == ["r0-2", "r0-3"]


def test_an_answered_item_leaves_the_queue_and_an_undone_one_comes_back(ledger: Ledger) -> None:
    ask(ledger, 2)
    lease(ledger, "ada")
    first = answer(ledger, "ada", "r0-0")
    assert (waiting(ledger), lease(ledger, "ada", 5)) == (1, ["r0-1"])
    answer(ledger, "ada", "r0-0", supersedes=first, kind="undo")
    assert (waiting(ledger), lease(ledger, "ada", 5)) == (2, ["r0-1", "r0-0"])


def test_an_item_that_wants_two_answers_gets_them_from_two_people(ledger: Ledger) -> None:
    ask(ledger, 1, wanted=2)
    assert lease(ledger, "ada") == lease(ledger, "ben") == ["r0-0"]
    assert lease(ledger, "cyd") == []
    answer(ledger, "ada", "r0-0")
    assert lease(ledger, "ada") == []
    assert waiting(ledger) == 1
    answer(ledger, "ben", "r0-0")
    assert waiting(ledger) == 0


def test_who_has_answered_does_not_keep_others_from_the_item(ledger: Ledger) -> None:
    ask(ledger, 1, wanted=2)
    lease(ledger, "ada")
    answer(ledger, "ada", "r0-0")
    assert lease(ledger, "ben") == ["r0-0"]
    with ledger.begin() as tx:
        assert [h["annotator"] for h in queue.holders(tx, now=NOW)] == ["ben"]


def test_a_ruling_settles_an_item_whatever_it_wants(ledger: Ledger) -> None:
    ask(ledger, 1, wanted=3)
    lied = {"reason": '"adjudicated": true'}
    for id, details, left in (("a" * 32, lied, 1), ("b" * 32, {"adjudicated": True}, 0)):
        made = Annotation(id, "r0-0", 0, "pool", "pos", id[0], details=details)
        with ledger.begin() as tx:
            add_annotations(tx, [made], now=NOW)
        assert waiting(ledger) == left
    answer(ledger, "b", "r0-0", supersedes="b" * 32, kind="undo")
    assert waiting(ledger) == 1


def test_an_undo_does_not_take_an_item_from_who_holds_it_now(ledger: Ledger) -> None:
    ask(ledger, 1, wanted=2)
    lease(ledger, "ada")
    first = answer(ledger, "ada", "r0-0")
    assert lease(ledger, "ben") == lease(ledger, "ben") == ["r0-0"]
    answer(ledger, "ada", "r0-0", supersedes=first, kind="undo")
    assert lease(ledger, "cyd") == ["r0-0"]
    with ledger.begin() as tx:
        queue.hold_again(tx, "ada", ["r0-0"], now=NOW, minutes=10)
        assert {h["annotator"] for h in queue.holders(tx, now=NOW)} == {"ben", "cyd"}


def test_a_correction_is_no_second_answer(ledger: Ledger) -> None:
    ask(ledger, 1, wanted=2)
    first = answer(ledger, "ada", "r0-0")
    answer(ledger, "ada", "r0-0", supersedes=first)
    assert waiting(ledger) == 1
    with ledger.begin() as tx:
        assert effort(tx).labels == 1


def test_a_lease_ends_by_itself_unless_it_is_renewed(ledger: Ledger) -> None:
    ask(ledger, 2)
    lease(ledger, "ada")
    with ledger.begin() as tx:
        assert queue.renew(tx, "ada", "t", now=NOW + timedelta(minutes=9), minutes=10) == 2
    assert lease(ledger, "ben", now=LATER) == []
    assert lease(ledger, "ben", now=LATER + timedelta(minutes=10)) == ["r0-0", "r0-1"]


def test_who_leaves_frees_their_items_at_once_and_may_still_answer_late(ledger: Ledger) -> None:
    ask(ledger, 2)
    lease(ledger, "ada")
    with ledger.begin() as tx:
        assert queue.release(tx, "ada", now=NOW, items=["r0-1"]) == 1
    assert lease(ledger, "ben") == ["r0-1"]
    with ledger.begin() as tx:
        assert queue.ever_held(tx, "ada", ["r0-0", "r0-1", "r0-9"]) == {"r0-0", "r0-1"}
        assert queue.ever_held(tx, "ben", ["r0-0", "r0-1"]) == {"r0-1"}


def test_an_earlier_round_comes_first(ledger: Ledger) -> None:
    ask(ledger, 1, round=0)
    ask(ledger, 1, round=1)
    assert (waiting(ledger, 0), waiting(ledger, 1), waiting(ledger)) == (1, 1, 2)
    assert lease(ledger, "ada") == ["r0-0", "r1-0"]


def test_holders_are_those_whose_lease_lasts(ledger: Ledger) -> None:
    ask(ledger, 3)
    lease(ledger, "ada", 1)
    lease(ledger, "ben", 1, now=LATER)
    with ledger.begin() as tx:
        assert [(h["annotator"], h["item"]) for h in queue.holders(tx, now=LATER)] == [("ben", "r0-0")]


@pytest.mark.parametrize("wanted", [1, 3])
def test_many_people_at_once_answer_each_item_as_often_as_it_wants(ledger: Ledger, wanted: int) -> None:
    """Eight threads lease, answer, undo and leave at random."""
    items = ask(ledger, 30, wanted=wanted)

    def work(who: str) -> None:
        dice = random.Random(who)
        while waiting(ledger):
            got = lease(ledger, who, dice.randint(1, 5), tab=dice.choice("ab"))
            for item in got:
                if dice.random() < 0.8:
                    made = answer(ledger, who, item)
                    if dice.random() < 0.1:
                        answer(ledger, who, item, supersedes=made, kind="undo")
            with ledger.begin() as tx:
                queue.release(tx, who, now=NOW)

    people = [threading.Thread(target=work, args=(f"p{i}",)) for i in range(8)]
    for person in people:
        person.start()
    for person in people:
        person.join(timeout=60)
    with ledger.begin() as tx:
        made = list_annotations(tx)
    gone = {a.supersedes for a in made}
    standing = [a for a in made if a.kind == "answer" and a.id not in gone]
    assert Counter(a.item for a in standing) == dict.fromkeys(items, wanted)
    assert len({(a.item, a.annotator) for a in standing}) == len(standing)


def test_whoever_follows_the_record_page_by_page_misses_no_late_answer(ledger: Ledger) -> None:
    """PostgreSQL numbers a row before it is committed: of two writers the first number may come last."""
    ask(ledger, 2)
    if ledger.url.startswith("sqlite"):
        answer(ledger, "ada", "r0-0")
        answer(ledger, "ben", "r0-1")
    seen: list[str] = []

    def follow() -> None:
        after: int | None = 0
        while len(seen) < 2 and after is not None:
            with ledger.read() as tx:
                found, after = page_of_annotations(tx, after=after, limit=10)
            seen.extend(a.annotator for a in found)

    reader = threading.Thread(target=follow)
    if not ledger.url.startswith("sqlite"):
        with ledger.begin() as slow:
            add_annotations(slow, [Annotation(uuid4().hex, "r0-0", 0, "pool", "pos", "ada")], now=NOW)
            answer(ledger, "ben", "r0-1")
            reader.start()
            reader.join(timeout=0.5)
    else:
        reader.start()
    reader.join(timeout=10)
    assert seen == ["ada", "ben"]
