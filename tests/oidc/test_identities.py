"""Who has which account, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from querist.core.addresses import is_private_way
from querist.core.errors import LedgerError
from querist.store.accounts import Account, add_account, find_account, list_accounts
from querist.store.identities import bind, find_name, is_bound, unbind
from querist.store.ledger import Ledger, digest

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_a_subject_has_one_account_and_an_account_one_subject_of_an_issuer(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        bind(tx, "https://a", "1", "ada", now=NOW)
        bind(tx, "https://b", "1", "bob", now=NOW)
        bind(tx, "https://b", "2", "ada", now=NOW)
        assert (find_name(tx, "https://a", "1"), find_name(tx, "https://b", "1")) == ("ada", "bob")
        assert (find_name(tx, "https://a", "2"), is_bound(tx, "https://a", "bob")) == (None, False)
        assert is_bound(tx, "https://b", "bob")
    for subject, name in (("1", "eve"), ("3", "ada")):
        with pytest.raises(LedgerError), ledger.begin() as tx:
            bind(tx, "https://a", subject, name, now=NOW)
    with ledger.begin() as tx:
        assert (unbind(tx, "ada"), unbind(tx, "ada")) == (2, 0)
        assert find_name(tx, "https://a", "1") is None
        assert find_name(tx, "https://b", "1") == "bob"


def test_an_account_that_somebody_has_needs_no_password_to_be_active(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        before = digest(tx)
        add_account(tx, Account("ada", "lead"), now=NOW)
        add_account(tx, Account("bob", "lead"), now=NOW)
        bind(tx, "https://a", "1", "ada", now=NOW)
        assert [account.state for account in list_accounts(tx)] == ["active", "invited"]
        found = find_account(tx, "ada")
        assert found is not None
        assert found.bound
        assert digest(tx) == before, "no part of what the loop decided"


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("https://id.example", True),
        ("HTTPS://id.example:8443/x", True),
        ("http://localhost:1", True),
        ("http://127.0.0.5/", True),
        ("http://[::1]:1/", True),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://10.0.0.1", False),
        ("https://", False),
        ("https://id.example:99999", False),
        ("ftp://localhost", False),
        ("//id.example", False),
        ("https://id.example/\n", False),
        ("https://id .example", False),
        ("", False),
    ],
)
def test_what_travels_to_a_provider_is_read_by_nobody_else(url: str, private: bool) -> None:
    assert is_private_way(url) is private
