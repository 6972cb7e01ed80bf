"""Coming in and out: sessions, limits, and who needs an account."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra web is not installed")
pytest.importorskip("argon2", reason="the extra web is not installed")
from argon2 import PasswordHasher, extract_parameters
from fastapi.testclient import TestClient

from querist.core.errors import AccountError, SettingError, UnknownName
from querist.pipeline.accounts import people
from querist.pipeline.accounts import sign_in as verbs
from querist.pipeline.project import Project

Browser = Callable[..., TestClient]

PASSWORD = "correct horse battery"

WRONG = {"name": "ada", "password": "wrong horse battery"}


def said(text: str) -> str:
    return re.search(r'role="alert">([^<]*)<', text)[1]


def whats(project: Project) -> list[str]:
    return [entry.what for entry in people.audit_log(project)]


def test_without_a_session_nothing_is_answered(browser: Browser) -> None:
    client = browser()
    assert client.get("/").status_code == 401
    assert client.get("/").headers["www-authenticate"] == "Bearer"
    assert client.post("/api/v1/work").status_code == 401
    assert client.get("/lead/").json() == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "sign in first",
    }


def test_a_page_sends_to_the_sign_in_and_that_back_to_the_page(browser: Browser) -> None:
    client = browser()
    sent = client.get("/lead/", headers={"accept": "text/html,*/*"})
    assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in?next=/lead/")
    form = client.get(sent.headers["location"]).text
    assert 'name="next" value="/lead/"' in form
    done = client.post("/sign-in", data={"name": "lee", "password": PASSWORD, "next": "/lead/"})
    assert (done.status_code, done.headers["location"]) == (303, "/lead/")
    assert client.get("/lead/").json() == {"name": "lee"}


@pytest.mark.parametrize("next", ["//evil.example", "https://evil.example", "/\\evil.example", "\t//e", "/ /e", ""])
def test_the_sign_in_leads_to_no_other_site(browser: Browser, next: str) -> None:
    done = browser().post("/sign-in", data={"name": "ada", "password": PASSWORD, "next": next})
    assert (done.status_code, done.headers["location"]) == (303, "/")


def test_the_cookie_is_kept_from_scripts_and_other_sites(browser: Browser) -> None:
    done = browser().post("/sign-in", data={"name": "ada", "password": PASSWORD})
    cookie = done.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Secure" not in cookie
    assert PASSWORD not in cookie
    done = browser(base_url="https://localhost").post("/sign-in", data={"name": "ada", "password": PASSWORD})
    assert "Secure" in done.headers["set-cookie"]


def test_a_wrong_password_an_unknown_name_and_a_disabled_account_look_the_same(team: Project, browser: Browser) -> None:
    people.add_user(team, "gone", "lead", password=PASSWORD, by="test")
    people.disable_user(team, "gone", by="test")
    people.add_user(team, "invited", "lead", by="test")
    tries = [WRONG, *({"name": name, "password": PASSWORD} for name in ("nobody", "gone", "invited", "a\x00b", ""))]
    answers = [browser().post("/sign-in", data=data) for data in tries]
    assert {answer.status_code for answer in answers} == {403}
    assert {said(answer.text) for answer in answers} == {"Name or password is wrong, or the account is disabled."}
    assert not any("set-cookie" in answer.headers for answer in answers)


def test_an_unknown_name_costs_the_same_work_as_a_wrong_password(
    team: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify, costs = PasswordHasher.verify, []

    def watched(self: PasswordHasher, hashed: str, password: str) -> bool:
        costs.append(extract_parameters(hashed))
        return verify(self, hashed, password)

    monkeypatch.setattr(PasswordHasher, "verify", watched)
    for name in ("ada", "nobody"):
        with pytest.raises(AccountError):
            verbs.sign_in(team, name, "wrong horse battery", address="x")
    assert len(costs) == 2
    assert costs[0] == costs[1]


def test_the_audit_log_names_who_came_in_but_holds_no_secret(team: Project, browser: Browser) -> None:
    client = browser()
    client.post("/sign-in", data=WRONG)
    client.post("/sign-in", data={"name": "my-password-in-the-wrong-field", "password": "x"})
    client.post("/sign-in", data={"name": "ada", "password": PASSWORD})
    entries = people.audit_log(team, last=3)
    assert [(e.who, e.what, e.detail) for e in entries] == [
        ("ada", "sign-in refused", {"address": "10.0.0.1"}),
        ("", "sign-in refused", {"address": "10.0.0.1"}),
        ("ada", "signed in", {"address": "10.0.0.1"}),
    ]
    assert "password" not in str(entries)
    assert client.cookies[next(iter(client.cookies))] not in str(people.audit_log(team))


def test_a_session_ends_by_itself(time: Any, sign_in: Browser) -> None:
    client = sign_in("ada")
    time.move(days=6.9)
    assert client.get("/").json() == {"name": "ada", "role": "annotator"}
    time.move(days=0.2)
    assert client.get("/").status_code == 401


def test_who_signs_out_is_out_even_with_the_cookie_kept(team: Project, sign_in: Browser, browser: Browser) -> None:
    client = sign_in("ada")
    cookies, csrf = dict(client.cookies), csrf_of(client)
    done = client.post("/sign-out", headers={"X-CSRF-Token": csrf})
    assert (done.status_code, done.headers["location"]) == (303, "/sign-in")
    assert "Max-Age=0" in done.headers["set-cookie"]
    client = browser()
    client.cookies.update(cookies)
    assert client.get("/").status_code == 401
    assert client.post("/sign-out").status_code == 303, "who is out already stays out"
    assert whats(team)[-1] == "signed out"


def csrf_of(client: TestClient) -> str:
    """As a page finds it."""
    return re.search(r'name="csrf" value="(\w+)"', client.get("/password").text)[1]


def test_disabling_a_person_ends_the_open_session_and_the_tokens(
    team: Project, sign_in: Browser, browser: Browser
) -> None:
    client = sign_in("ada")
    _, token = people.make_token(team, "ada", ["tasks"], days=None, by="test")
    people.disable_user(team, "ada", by="root")
    assert client.get("/").status_code == 401
    assert browser().get("/", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    people.enable_user(team, "ada", by="root")
    assert client.get("/").status_code == 401, "what has ended does not come back"
    assert browser().get("/", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert sign_in("ada").get("/").status_code == 200


def test_a_role_changes_with_the_next_request(team: Project, sign_in: Browser) -> None:
    client = sign_in("ada")
    assert client.get("/lead/").status_code == 403
    people.set_role(team, "ada", "lead", by="root")
    assert client.get("/lead/").status_code == 200


def test_too_many_wrong_passwords_close_the_door_for_a_while(time: Any, browser: Browser) -> None:
    codes = [browser(f"10.0.1.{n}").post("/sign-in", data=WRONG).status_code for n in range(10)]
    assert codes == [403] * 10
    refused = browser().post("/sign-in", data={"name": "ada", "password": PASSWORD})
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "600")
    assert "10 min" in said(refused.text)
    assert browser().post("/sign-in", data={"name": "lee", "password": PASSWORD}).status_code == 303
    time.move(minutes=10)
    assert browser().post("/sign-in", data={"name": "ada", "password": PASSWORD}).status_code == 303


def test_one_address_cannot_try_many_names(browser: Browser) -> None:
    client = browser()
    # A header that claims another address changes nothing.
    codes = [
        client.post(
            "/sign-in", data={"name": f"n{n}", "password": "x" * 201}, headers={"X-Forwarded-For": f"1.1.1.{n}"}
        )
        for n in range(51)
    ]
    assert [code.status_code for code in codes] == [403] * 50 + [429]
    assert browser("10.0.0.2").post("/sign-in", data={"name": "ada", "password": PASSWORD}).status_code == 303


def test_right_passwords_from_one_office_are_not_counted(monkeypatch: pytest.MonkeyPatch, browser: Browser) -> None:
    monkeypatch.setattr(verbs, "sign_in", lambda *_, **__: "secret")  # sixty hashes would take seconds
    codes = {browser().post("/sign-in", data={"name": f"n{n}", "password": PASSWORD}).status_code for n in range(60)}
    assert codes == {303}


def test_accounts_that_cannot_be_are_refused_in_words(team: Project) -> None:
    with pytest.raises(AccountError, match="'ada' exists already"):
        people.add_user(team, "ada", "lead", by="test")
    for name in ("", " ada", "a b", "-x", "a\nb", "x" * 65, "../etc"):
        with pytest.raises(AccountError, match="is no name: take 1 to 64"):
            people.add_user(team, name, "lead", by="test")
    with pytest.raises(UnknownName, match=r"unknown role 'king'.*admin, annotator, lead"):
        people.add_user(team, "kay", "king", by="test")
    with pytest.raises(UnknownName, match=r"unknown user 'adda'\. Did you mean 'ada'"):
        people.disable_user(team, "adda", by="test")
    with pytest.raises(UnknownName, match="unknown scope 'all'"):
        people.make_token(team, "ada", ["all"], days=None, by="test")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "LOCALHOST", "::1", "[::1]"])
def test_on_loopback_no_account_is_needed(host: str) -> None:
    people.check_binding(host, 0)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.1", "label.example", "localhost.evil.example"])
def test_elsewhere_an_account_is_needed(host: str) -> None:
    with pytest.raises(SettingError, match=r"no account exists.*querist users add NAME --role admin"):
        people.check_binding(host, 0)
    people.check_binding(host, 1)
