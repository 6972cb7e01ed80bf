"""The ledger on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, delete, select, update
from sqlalchemy.exc import DatabaseError, InterfaceError

from querist.core.errors import Busy, HoldoutError, LedgerError, SettingError, SnapshotCorrupt
from querist.store import tables
from querist.store.annotations import Annotation, add_annotations, list_annotations
from querist.store.artifacts import Artifacts
from querist.store.ledger import Ledger, digest
from querist.store.rounds import Query, Round, get_round, list_queries, open_round, taken_positions
from querist.store.steps import Done, add_step, find_step

NAMES = ("b", "A", "a", "Z", "é")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def a_round(number: int = 0) -> Round:
    return Round(number, "snap", "kmeans", None, {"threshold": 0.5}, "because", "key", "0.1.0", "")


def a_query(item: str, rank: int = 0, *, round: int = 0, split: str = "pool") -> Query:
    return Query(round, rank, item, rank + 10, split, 0.9, {"margin": 0.9}, "kmeans", None, {"text": "hi"})


def an_annotation(item: str, label: str | None = "pos", *, id: str = "") -> Annotation:
    return Annotation(id or f"id-{item}", item, 3, "pool", label, "ada")


def test_a_round_comes_back_as_it_was_written(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        open_round(tx, a_round(), [a_query("a"), a_query("b", 1)], now=NOW)
    with ledger.begin() as tx:
        assert get_round(tx, 0).thresholds == {"threshold": 0.5}
        assert get_round(tx, 0).at == "2026-01-02T03:04:05.000+00:00"
        assert [(q.item, q.rank, q.parts, q.payload) for q in list_queries(tx, 0)] == [
            ("a", 0, {"margin": 0.9}, {"text": "hi"}),
            ("b", 1, {"margin": 0.9}, {"text": "hi"}),
        ]
        assert sorted(taken_positions(tx)) == [10, 11]


def test_a_missing_round_names_those_that_are_there(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        open_round(tx, a_round(), [], now=NOW)
        with pytest.raises(LedgerError, match=r"no round 5; recorded rounds: \[0\]"):
            get_round(tx, 5)


def test_a_holdout_item_cannot_be_asked(ledger: Ledger) -> None:
    with ledger.begin() as tx, pytest.raises(HoldoutError, match="'b' is in the test split"):
        open_round(tx, a_round(), [a_query("a"), a_query("b", 1, split="test")], now=NOW)


def test_the_database_itself_refuses_a_holdout_query(ledger: Ledger) -> None:
    row = {**vars(a_query("b", split="test")), "parts": "{}", "payload": "{}", "at": ""}
    with pytest.raises(LedgerError), ledger.begin() as tx:
        open_round(tx, a_round(), [], now=NOW)
        tx.execute(tables.queries.insert().values(row))


def test_no_item_is_asked_twice(ledger: Ledger) -> None:
    with pytest.raises(LedgerError), ledger.begin() as tx:
        open_round(tx, a_round(), [a_query("a")], now=NOW)
        open_round(tx, a_round(1), [a_query("a", round=1)], now=NOW)


def test_sending_an_annotation_twice_changes_nothing(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        assert add_annotations(tx, [an_annotation("a"), an_annotation("b", None)], now=NOW) == 2
        assert add_annotations(tx, [an_annotation("a", "neg"), an_annotation("c")], now=NOW) == 1
        assert [(a.item, a.label) for a in list_annotations(tx)] == [("a", "pos"), ("b", None), ("c", "pos")]


@pytest.mark.parametrize("table", tables.APPEND_ONLY, ids=lambda t: t.name)
@pytest.mark.parametrize("verb", ["update", "delete"])
def test_nothing_recorded_can_be_changed_or_deleted(ledger: Ledger, table: object, verb: str) -> None:
    with ledger.begin() as tx:
        open_round(tx, a_round(), [a_query("a")], now=NOW)
        add_annotations(tx, [an_annotation("a")], now=NOW)
        add_step(tx, a_step())
        tx.execute(tables.snapshots.insert().values(id="s", report="{}", at=""))
        tx.execute(
            tables.models.insert().values(
                version="v", round=0, artifact="x", learner="{}", report="{}", n_labels=1, at=""
            )
        )
        tx.execute(
            tables.metrics.insert().values(
                round=0, name="accuracy", model_version="v", value=0.5, n_items=1, n_labels=1, at=""
            )
        )
    statement = delete(table) if verb == "delete" else update(table).values({list(table.columns)[-1].name: "0"})
    with pytest.raises(LedgerError, match="append-only"), ledger.begin() as tx:
        tx.execute(statement)


def a_step() -> Done:
    return Done(0, "seed_set", 1, "hash", {"n": 3}, "2026-01-01T00:00:00.000+00:00", 1.5, {"fit": 1.0}, "0.1.0")


def test_a_step_is_done_once(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        assert find_step(tx, 0, "seed_set") is None
        add_step(tx, a_step())
        assert find_step(tx, 0, "seed_set") == a_step()
    with pytest.raises(Busy, match="another process"), ledger.begin() as tx:
        add_step(tx, a_step())


def test_a_transaction_that_fails_leaves_nothing(ledger: Ledger) -> None:
    def write_and_fail() -> None:
        with ledger.begin() as tx:
            add_annotations(tx, [an_annotation("a")], now=NOW)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_fail()
    with ledger.begin() as tx:
        assert list_annotations(tx) == []


def test_the_digest_ignores_times_and_sees_everything_else(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        empty = digest(tx)
        add_annotations(tx, [an_annotation("a")], now=NOW)
        one = digest(tx)
    assert one != empty
    with ledger.begin() as tx:
        add_annotations(tx, [an_annotation("b")], now=NOW)
        assert digest(tx) != one


def test_the_digest_is_the_same_in_both_databases(tmp_path: Path, postgres: str) -> None:
    digests = []
    for url in (f"sqlite:///{tmp_path}/a.db", postgres):
        ledger = Ledger(url)
        with ledger.begin() as tx:
            open_round(tx, a_round(), [a_query("a"), a_query("b", 1)], now=NOW)
            add_annotations(tx, [an_annotation("a"), an_annotation("b")], now=NOW)
            digests.append(digest(tx))
        ledger.close()
    assert digests[0] == digests[1]


def test_a_ledger_of_a_newer_querist_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    ledger = Ledger(url)
    with ledger.begin() as tx:
        tx.execute(update(tables.schema).values(version=99))
    with pytest.raises(LedgerError, match="schema 99"):
        Ledger(url)


@pytest.mark.parametrize("url", ["nonsense", "mysterydb://x/y"])
def test_a_url_that_is_none_says_what_one_looks_like(url: str) -> None:
    with pytest.raises(SettingError, match=r"sqlite:///file\.db or postgresql"):
        Ledger(url)


def test_the_password_of_a_ledger_is_never_shown() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(LedgerError) as error:
        Ledger("postgresql+psycopg://me:secret@127.0.0.1:1/none")
    assert "secret" not in str(error.value)


def test_artifacts_are_stored_once_and_checked(tmp_path: Path) -> None:
    artifacts = Artifacts(str(tmp_path / "artifacts"))
    name = artifacts.put(b"hello")
    assert artifacts.put(b"hello") == name
    assert artifacts.get(name) == b"hello"
    (tmp_path / "artifacts" / name[:2] / name[2:]).write_bytes(b"hellO")
    with pytest.raises(SnapshotCorrupt, match="has changed"):
        artifacts.get(name)
    with pytest.raises(SnapshotCorrupt, match="is missing"):
        artifacts.get("0" * 64)


def test_artifacts_live_on_any_fsspec_url() -> None:
    artifacts = Artifacts("memory://querist-test")
    assert artifacts.get(artifacts.put(b"x")) == b"x"


def test_postgres_truncates_no_record(postgres: str) -> None:
    ledger = Ledger(postgres)
    with ledger.begin() as tx:
        add_annotations(tx, [an_annotation("a")], now=NOW)
    for table in tables.APPEND_ONLY:
        with pytest.raises(LedgerError, match="append-only"), ledger.begin() as tx:
            tx.exec_driver_sql(f"TRUNCATE {table.name} CASCADE")
    with ledger.begin() as tx:
        assert len(list_annotations(tx)) == 1
    ledger.close()


def test_the_digest_is_the_same_under_every_collation(postgres_server: str) -> None:
    digests = []
    for collation, names in (("C", NAMES), ("und", NAMES[::-1])):
        url = a_database(postgres_server, collation)
        ledger = Ledger(url)
        with ledger.begin() as tx:
            for name in names:
                add_step(tx, replace(a_step(), name=name))
            ordered = tx.execute(select(tables.steps.c.name).order_by(tables.steps.c.name)).scalars().all()
            digests.append((ordered, digest(tx)))
        ledger.close()
    assert digests[0][0] != digests[1][0], "the two databases do sort differently"
    assert digests[0][1] == digests[1][1]


def a_database(server: str, collation: str) -> str:
    """The URL of a fresh database that sorts text by another collation."""
    name = f"test_{uuid4().hex}"
    how = "LOCALE 'C'" if collation == "C" else f"LOCALE_PROVIDER icu ICU_LOCALE '{collation}' LOCALE 'C'"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        try:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE template0 {how}")
        except DatabaseError as error:
            pytest.skip(f"this PostgreSQL has no ICU collations: {error.orig}")
    admin.dispose()
    return f"{server.rsplit('/', 1)[0]}/{name}"


def test_a_connection_that_broke_is_an_error_of_the_ledger(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="the connection is closed"), ledger.begin():
        raise InterfaceError("SELECT 1", None, Exception("the connection is closed"))
