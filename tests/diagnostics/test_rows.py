"""Counts over the whole record, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime

from querist.store import rows
from querist.store.annotations import Annotation, add_annotations
from querist.store.ledger import Ledger
from querist.store.models import Metric, add_metrics
from querist.store.rounds import Query, Round, open_round

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_an_empty_ledger_has_no_rows(ledger: Ledger) -> None:
    with ledger.read() as tx:
        assert rows.chosen_queries(tx).shape == (0, 2)
        assert rows.control_queries(tx).shape == (0,)
        assert rows.given_labels(tx) == []
        assert rows.ruled_positions(tx) == []
        assert rows.random_queries(tx).shape == (0,)
        assert rows.metric_rows(tx, ["accuracy"]) == []


def test_what_the_strategy_chose_is_told_from_seed_control_and_gold(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        asked_by = [["seed_set:auto"], ["margin", "control", "gold", "margin"], ["random"]]
        for number, names in enumerate(asked_by):
            asked = [
                Query(number, rank, f"{number}-{rank}", 10 * number + rank, "pool", None, {}, name, None, {})
                for rank, name in enumerate(names)
            ]
            open_round(tx, Round(number, "s", "margin", None, {}, "", "k", "0", ""), asked, now=NOW)
        add_metrics(tx, [Metric(1, name, "m", 0.5, None, None, 9, 4) for name in ("accuracy", "mcc")], now=NOW)
    with ledger.read() as tx:
        assert rows.chosen_queries(tx).tolist() == [[1, 10], [1, 13], [2, 20]]
        assert rows.control_queries(tx).tolist() == [11]
        assert rows.random_queries(tx).tolist() == [11, 20]
        assert rows.metric_rows(tx, ["accuracy", "recall:x"]) == [rows.Value(1, "accuracy", 0.5, 9)]


def test_labels_are_counted_without_rulings_gold_skips_and_what_was_undone(ledger: Ledger) -> None:
    given = [
        Annotation("1", "a", 1, "pool", "x", "ann"),
        Annotation("2", "a", 1, "pool", "x", "bob"),
        Annotation("3", "a", 1, "pool", "y", "cy"),
        Annotation("4", "a", 1, "pool", "y", "cy", supersedes="3", kind="undo"),
        Annotation("5", "b", 2, "pool", "y", "ann", details={"adjudicated": True}),
        Annotation("6", "c", 3, "pool", "y", "ann", details={"gold": True}),
        Annotation("7", "d", 4, "pool", None, "ann"),
        Annotation("8", "e", 5, "test", "z", "ann", note='says "gold": true'),
    ]
    with ledger.begin() as tx:
        add_annotations(tx, given, now=NOW)
    with ledger.read() as tx:
        assert sorted(rows.given_labels(tx)) == [("a", "x", 2, 1, "pool"), ("e", "z", 1, 5, "test")]
        assert rows.ruled_positions(tx) == [2]
