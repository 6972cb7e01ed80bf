"""Passwords: which are taken, how they are kept, what changes with them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

pytest.importorskip("fastapi", reason="the extra web is not installed")
pytest.importorskip("argon2", reason="the extra web is not installed")
from fastapi.testclient import TestClient

from querist.core.errors import AccountError
from querist.pipeline.accounts import people
from querist.pipeline.accounts import sign_in as verbs
from querist.pipeline.accounts.passwords import hash_password, matches
from querist.pipeline.project import Project

Browser = Callable[..., TestClient]

PASSWORD = "correct horse battery"


def said(text: str) -> str:
    return re.search(r'role="alert">([^<]*)<', text)[1]


def csrf_of(client: TestClient) -> str:
    """As a page finds it."""
    return re.search(r'name="csrf" value="(\w+)"', client.get("/password").text)[1]


def test_a_changed_password_ends_the_other_sessions(team: Project, sign_in: Browser, browser: Browser) -> None:
    here, elsewhere = sign_in("ada"), sign_in("ada")
    form = {"csrf": csrf_of(here), "old": PASSWORD, "password": "a new password 1"}
    assert here.post("/password", data=form | {"csrf": "x"}).status_code == 403
    wrong = here.post("/password", data=form | {"old": "x"})
    assert (wrong.status_code, said(wrong.text)[:20]) == (422, "Nothing was changed:")
    assert elsewhere.get("/").status_code == 200
    assert here.post("/password", data=form).status_code == 303
    assert here.get("/").status_code == 200
    assert elsewhere.get("/").status_code == 401
    assert browser().post("/sign-in", data={"name": "ada", "password": PASSWORD}).status_code == 403
    assert browser().post("/sign-in", data={"name": "ada", "password": "a new password 1"}).status_code == 303


def test_a_token_changes_no_password(team: Project, browser: Browser) -> None:
    _, token = people.make_token(team, "ada", ["admin"], days=None, by="test")
    form = {"old": PASSWORD, "password": "a new password 1"}
    sent = browser().post("/password", data=form, headers={"Authorization": f"Bearer {token}"})
    assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in?next=/password")
    assert verbs.sign_in(team, "ada", PASSWORD, address="x")


@pytest.mark.parametrize("password", ["short", "x" * 201, "aaaaaaaaaaaaaa", "ada Ada ADA ada", "ADA.Lovelace"])
def test_a_password_that_is_easy_to_guess_is_refused(password: str) -> None:
    with pytest.raises(AccountError, match="take another") as error:
        hash_password(password, name="ada.lovelace")
    assert password not in str(error.value)


def test_a_password_is_the_same_however_a_keyboard_writes_its_letters() -> None:
    hashed = hash_password("Gänsefüßchen", name="ada")  # composed
    assert hashed.startswith("$argon2id$")
    assert matches("Ga\u0308nsefu\u0308ßchen", hashed)  # decomposed
    assert not matches("Gansefußchen", hashed)
    assert not matches("", None)


def test_an_outdated_hash_is_renewed_at_sign_in(team: Project) -> None:
    from argon2 import PasswordHasher

    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with team.ledger.begin() as tx:
        people.accounts.change_account(tx, "ada", password=weak)
    verbs.sign_in(team, "ada", PASSWORD, address="x")
    account = next(a for a in people.list_users(team) if a.name == "ada")
    assert account.password != weak
    assert matches(PASSWORD, account.password)
