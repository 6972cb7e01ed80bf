"""What is still to be answered, and how long it took so far, by the record alone; on both databases."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import func, select

from querist.store.annotations import Annotation, add_annotations
from querist.store.ledger import Ledger
from querist.store.pace import seconds_by_round
from querist.store.rounds import Query, Round, open_round, outstanding
from querist.store.tables import queue

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def ask(ledger: Ledger, round: int, wanted: list[int]) -> None:
    opened = Round(round, "snap", "kmeans", None, {}, "", "key", "0.1.0", "")
    asked = [Query(round, i, f"r{round}-{i}", i, "pool", 0.5, {}, "kmeans", None, {}, n) for i, n in enumerate(wanted)]
    with ledger.begin() as tx:
        open_round(tx, opened, asked, now=NOW)


def test_the_record_says_what_the_queue_says(ledger: Ledger) -> None:
    def say(id: str, item: str, who: str, **more: object) -> None:
        with ledger.begin() as tx:
            add_annotations(tx, [Annotation(id, item, 0, "pool", "pos", who)._replace(**more)], now=NOW)

    def to_come() -> int:
        with ledger.read() as tx:
            found = outstanding(tx)
            assert found == (tx.execute(select(func.sum(queue.c.wanted - queue.c.answered))).scalar() or 0)
            return found

    assert to_come() == 0
    ask(ledger, 0, [1, 2, 3])
    ask(ledger, 1, [2])
    assert to_come() == 8
    say("a", "r0-0", "ada", seconds=2.0)
    say("b", "r0-1", "ada", seconds=3.0)
    say("c", "r0-1", "ada", supersedes="b", seconds=1.0)
    assert to_come() == 6, "a correction is no second answer"
    say("d", "r0-0", "ben")
    assert to_come() == 6, "one more than wanted takes nothing from the others"
    say("e", "r0-1", "ada", kind="undo", label=None, supersedes="c")
    assert to_come() == 7
    say("f", "r0-2", "lea", details={"adjudicated": True})
    assert to_come() == 4, "a ruling decides alone"
    say("g", "r1-0", "cyd", seconds=5.0)
    assert to_come() == 3
    with ledger.read() as tx:
        assert seconds_by_round(tx) == {0: 6.0, 1: 5.0}
