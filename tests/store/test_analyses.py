"""Analyses: kept in the order they were made, and never changed."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from querist.core.errors import LedgerError
from querist.store.analyses import add_analysis, list_analyses
from querist.store.ledger import Ledger, digest

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_analyses_come_back_by_kind_oldest_first_or_the_newest_alone(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        before = digest(tx)
        for number in range(3):
            add_analysis(tx, "simulation", {"number": number}, round=number, now=NOW)
        add_analysis(tx, "baseline", {"number": 9}, now=NOW)
        assert [a.result["number"] for a in list_analyses(tx, "simulation")] == [0, 1, 2]
        assert [a.result["number"] for a in list_analyses(tx, "simulation", last=1)] == [2]
        assert [a.round for a in list_analyses(tx, "baseline")] == [None]
        assert digest(tx) == before, "what the loop decided is not touched"


def test_an_analysis_cannot_be_rewritten(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        add_analysis(tx, "simulation", {}, now=NOW)
    with pytest.raises(LedgerError, match="append-only"), ledger.begin() as tx:
        tx.execute(text("UPDATE analyses SET kind = 'other'"))


def test_a_ledger_of_an_earlier_querist_gets_the_tables_it_lacks(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        tx.execute(text("DROP TABLE analyses"))
    again = Ledger(str(ledger._engine.url.render_as_string(hide_password=False)))
    with again.begin() as tx:
        add_analysis(tx, "simulation", {"number": 1}, now=NOW)
    with ledger.read() as tx:
        assert [a.result["number"] for a in list_analyses(tx, "simulation")] == [1]
    again.close()
