"""Accounts, credentials and the audit log on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select, text, update

from querist.core.errors import LedgerError
from querist.core.hashing import sha256
from querist.http.attempts import Attempts, network
from querist.store import tables
from querist.store.accounts import (
    Account,
    Credential,
    add_account,
    change_account,
    count_accounts,
    end_of_person,
    end_token,
    find_account,
    find_credential,
    find_key,
    keep,
    list_accounts,
    list_credentials,
    make_key,
    take,
    used,
)
from querist.store.audit import list_entries, note
from querist.store.ledger import Ledger, digest

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


def test_an_account_comes_back_as_it_was_written(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        add_account(tx, Account("ada", "lead"), now=NOW)
        add_account(tx, Account("Bob", "annotator", "hash"), now=NOW)
        change_account(tx, "Bob", disabled=True)
    with ledger.begin() as tx:
        assert find_account(tx, "ada") == Account("ada", "lead", at="2026-01-02T03:04:05.000+00:00")
        assert find_account(tx, "bob") is None
        assert [(a.name, a.state) for a in list_accounts(tx)] == [("Bob", "disabled"), ("ada", "invited")]
        assert count_accounts(tx) == 1


def test_the_database_itself_refuses_an_unknown_role(ledger: Ledger) -> None:
    with pytest.raises(LedgerError), ledger.begin() as tx:
        add_account(tx, Account("ada", "king"), now=NOW)  # type: ignore[arg-type]  # on purpose


def test_no_name_is_given_twice(ledger: Ledger) -> None:
    with pytest.raises(LedgerError), ledger.begin() as tx:
        add_account(tx, Account("ada", "lead"), now=NOW)
        add_account(tx, Account("ada", "admin"), now=NOW)


def test_a_secret_is_stored_as_its_hash_alone(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        id = keep(tx, "s3cret", Credential("token", "ada", scopes=frozenset({"tasks"})), now=NOW)
        rows = [dict(row) for row in tx.execute(select(tables.credentials)).mappings()]
    assert rows[0]["secret"] == sha256(b"s3cret")
    assert "s3cret" not in str(rows)
    assert rows[0]["secret"].startswith(id)


def test_a_credential_is_found_by_its_secret_and_kind_until_it_expires(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        keep(tx, "s", Credential("session", "ada"), now=NOW, expires=LATER)
        found = find_credential(tx, "s", "session", now=NOW)
        assert found is not None
        assert (found.name, found.role, found.scopes) == ("ada", None, frozenset())
        assert find_credential(tx, "s", "token", now=NOW) is None, "a session is no token"
        assert find_credential(tx, "S", "session", now=NOW) is None
        assert find_credential(tx, "s", "session", now=LATER) is None


def test_what_has_expired_is_forgotten_when_the_next_one_is_kept(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        keep(tx, "old", Credential("session", "ada"), now=NOW, expires=LATER)
        keep(tx, "forever", Credential("token", "ada"), now=NOW)
        keep(tx, "new", Credential("session", "ada"), now=LATER, expires=LATER + timedelta(minutes=1))
        assert len(tx.execute(select(tables.credentials)).all()) == 2


def test_of_several_that_take_an_invitation_at_once_one_gets_it(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        keep(tx, "i", Credential("invitation", "ada"), now=NOW, expires=LATER)
    got, barrier = [], Barrier(4)

    def grab() -> None:
        barrier.wait()
        with ledger.begin() as tx:
            got.append(take(tx, "i", "invitation", now=NOW))

    threads = [Thread(target=grab) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found is not None for found in got) == [False, False, False, True]


def test_a_key_is_made_once(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        assert find_key(tx, "invitation") is None
        assert [make_key(tx, "invitation", key) for key in ("a", "b")] == ["a", "a"]
        assert find_key(tx, "invitation") == "a"


def test_tokens_are_listed_with_their_last_use_and_ended_by_their_id(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        first = keep(tx, "a", Credential("token", "ada", scopes=frozenset({"tasks", "labels"})), now=NOW)
        keep(tx, "b", Credential("token", "bob"), now=LATER)
        used(tx, "a", now=LATER)
    with ledger.begin() as tx:
        listed = list_credentials(tx, "token", now=LATER)
        assert [(t.name, t.used_at, sorted(t.scopes)) for t in listed] == [
            ("ada", "2026-01-02T03:05:05.000+00:00", ["labels", "tasks"]),
            ("bob", None, []),
        ]
        assert end_token(tx, first) == "ada"
        assert end_token(tx, first) is None
        assert end_token(tx, "%") is None
        assert [t.name for t in list_credentials(tx, "token", now=LATER)] == ["bob"]


def test_all_of_a_persons_credentials_of_a_kind_end_together(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        for secret, kind, name in (("1", "session", "ada"), ("2", "token", "ada"), ("3", "session", "bob")):
            keep(tx, secret, Credential(kind, name), now=NOW)
        end_of_person(tx, "ada", "session", "invitation")
        left = {row.name + row.kind for row in tx.execute(select(tables.credentials))}
    assert left == {"adatoken", "bobsession"}


@pytest.mark.parametrize("verb", ["update", "delete"])
def test_no_entry_of_the_audit_log_can_be_changed_or_deleted(ledger: Ledger, verb: str) -> None:
    with ledger.begin() as tx:
        note(tx, "root", "user added", now=NOW, user="ada")
    statement = delete(tables.audit) if verb == "delete" else update(tables.audit).values(who="x")
    with pytest.raises(LedgerError, match="append-only"), ledger.begin() as tx:
        tx.execute(statement)
    with ledger.begin() as tx:
        assert [(e.who, e.what, e.detail) for e in list_entries(tx)] == [("root", "user added", {"user": "ada"})]


def test_postgres_truncates_no_audit_log(postgres: str) -> None:
    ledger = Ledger(postgres)
    with pytest.raises(LedgerError, match="append-only"), ledger.begin() as tx:
        tx.execute(text("TRUNCATE audit"))
    ledger.close()


def test_the_audit_log_can_be_read_from_its_end(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        for number in range(5):
            note(tx, "root", str(number), now=NOW)
        assert [e.what for e in list_entries(tx, last=2)] == ["3", "4"]


def test_accounts_and_audit_are_no_part_of_the_digest(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        before = digest(tx)
        add_account(tx, Account("ada", "lead"), now=NOW)
        note(tx, "root", "user added", now=NOW)
        assert digest(tx) == before


def test_so_many_tries_are_allowed_and_then_none_until_the_time_is_over() -> None:
    attempts = Attempts(3, minutes=2)
    assert [attempts.take("ada", now=NOW) for _ in range(5)] == [0, 0, 0, 120, 120]
    assert attempts.take("bob", now=NOW) == 0
    assert attempts.take("ada", now=LATER) == 60
    assert attempts.take("ada", now=NOW + timedelta(minutes=2)) == 0


def test_tries_that_were_no_failures_do_not_count() -> None:
    attempts = Attempts(2, minutes=1)
    for _ in range(10):
        assert attempts.take("office", now=NOW) == 0
        attempts.give_back("office")
    attempts.forget("office")
    assert [attempts.take("office", now=NOW) > 0 for _ in range(3)] == [False, False, True]


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 120))))
def test_no_minute_holds_more_than_twice_the_tries_whatever_the_order(tries: list[tuple[str, int]]) -> None:
    attempts, now = Attempts(3, minutes=1, keys=5), NOW
    allowed: dict[str, list[datetime]] = {}
    for key, wait in tries:
        now += timedelta(seconds=wait)
        if attempts.take(key, now=now) == 0:
            allowed.setdefault(key, []).append(now)
    # The count begins anew at most once within a minute, so six are the most that any minute holds.
    for times in allowed.values():
        assert all(sum(first <= at < first + timedelta(minutes=1) for at in times) <= 6 for first in times)


def test_a_flood_of_keys_takes_no_more_memory_than_allowed() -> None:
    attempts = Attempts(1, minutes=1, keys=100)
    for number in range(1_000):
        attempts.take(str(number), now=NOW)
    assert len(attempts._counts) == 100
    assert attempts.take("999", now=NOW) > 0


def test_ipv6_counts_by_network() -> None:
    assert network("2001:db8::1") == network("2001:db8::ffff:1")
    assert network("2001:db8::1") != network("2001:db8:0:1::1")
    assert network("10.0.0.1") != network("10.0.0.2")
    assert network("testclient") == "testclient"
