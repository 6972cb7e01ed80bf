"""Answers in columns, and positions as one text, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from querist.pipeline.reporting.batches import effort_of, labels
from querist.store.annotations import Annotation, add_annotations
from querist.store.answers import SKIP, list_answers
from querist.store.ledger import Ledger
from querist.store.positions import positions
from querist.store.rounds import Query, Round, open_round
from querist.store.tables import queries

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def fill(ledger: Ledger) -> None:
    """Items a, b of round 0 and c of round 1; b was skipped, and c answered twice."""
    with ledger.begin() as tx:
        for number, items in enumerate(("ab", "c")):
            asked = [
                Query(number, rank, item, 10 * number + rank, "pool", None, {}, "margin", None, {}, wanted=2)
                for rank, item in enumerate(items)
            ]
            open_round(tx, Round(number, "s", "margin", None, {}, "", "k", "0", ""), asked, now=NOW)
        given = [
            Annotation("1", "a", 0, "pool", "x", "ann", seconds=2.0),
            Annotation("2", "b", 1, "pool", None, "bob"),
            Annotation("3", "c", 10, "pool", "y", "ann", seconds=4.0),
            Annotation("4", "c", 10, "pool", "x", "bob", seconds=0.0),
            Annotation("5", "c", 10, "pool", "z", "cy", details={"adjudicated": True}),
        ]
        add_annotations(tx, given, now=NOW)


def test_answers_come_with_their_round_and_without_rulings(ledger: Ledger) -> None:
    fill(ledger)
    with ledger.read() as tx:
        found = list_answers(tx)
    assert [found.annotators[who] for who in found.who] == ["ann", "bob", "ann", "bob"]
    assert [None if what == SKIP else found.labels[what] for what in found.what] == ["x", None, "y", "x"]
    assert found.round.tolist() == [0, 0, 1, 1]
    assert labels(found) == [{"label": "x", "answers": 2}, {"label": "y", "answers": 1}]


def test_the_effort_of_a_round_counts_people_skips_and_measured_seconds(ledger: Ledger) -> None:
    fill(ledger)
    with ledger.read() as tx:
        found = list_answers(tx)
    by_round = found.by(found.round)
    assert list(by_round) == [0, 1]
    assert effort_of(by_round[0]) == {
        "answers": 2, "skips": 1, "people": 2, "hours": pytest.approx(2 / 3600), "median_seconds": 2.0,
        "per_hour": 1800,
    }  # fmt: skip
    assert effort_of(found[:0])["per_hour"] is None


def test_a_ledger_without_answers_has_none(ledger: Ledger) -> None:
    with ledger.read() as tx:
        found = list_answers(tx)
        assert positions(tx, queries.c.position).tolist() == []
    assert (len(found), found.by(found.round), labels(found)) == (0, {}, [])


def test_positions_are_those_of_the_rows_asked_for(ledger: Ledger) -> None:
    fill(ledger)
    with ledger.read() as tx:
        found = positions(tx, queries.c.position, queries.c.round == 0)
    np.testing.assert_array_equal(np.sort(found), [0, 1])
    assert found.dtype == np.int64
