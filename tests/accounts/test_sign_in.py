"""Coming in and out: passwords, invitations, sessions, limits."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median
from time import perf_counter
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra web is not installed")
pytest.importorskip("argon2", reason="the extra web is not installed")
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.core.errors import AccountError, SettingError, UnknownName
from querist.pipeline.accounts import invitations, people
from querist.pipeline.accounts import sign_in as verbs
from querist.pipeline.accounts.passwords import hash_password, matches
from querist.pipeline.project import Project
from querist.store import accounts

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


def test_an_unknown_name_takes_as_long_as_a_wrong_password(team: Project) -> None:
    seconds: dict[str, list[float]] = {"ada": [], "nobody": []}
    for _ in range(6):
        for name, measured in seconds.items():
            start = perf_counter()
            with pytest.raises(AccountError):
                verbs.sign_in(team, name, "wrong horse battery", address="x")
            measured.append(perf_counter() - start)
    # Without the same work behind it an answer would take a hundredth of the time.
    assert 1 / 4 < median(seconds["ada"]) / median(seconds["nobody"]) < 4


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


def test_an_invitation_serves_once(team: Project, browser: Browser) -> None:
    people.add_user(team, "eve", "annotator", by="root")
    link = f"/invite/{people.invite(team, 'eve', by='root')}"
    assert "Welcome, eve." in browser().get(link).text
    short = browser().post(link, data={"password": "short"})
    assert (short.status_code, "too short" in said(short.text)) == (422, True)
    client = browser()
    assert client.post(link, data={"password": "a new password 1"}).status_code == 303
    assert client.get("/").json() == {"name": "eve", "role": "annotator"}
    for again in (browser().get(link), browser().post(link, data={"password": "another password 2"})):
        assert (again.status_code, "set-cookie" in again.headers) == (404, False)
        assert said(again.text) == "This invitation was used already or has expired. Ask for another."
    assert browser().post("/sign-in", data={"name": "eve", "password": "a new password 1"}).status_code == 303
    assert "invitation accepted" in whats(team)


def test_an_invitation_expires_is_replaced_and_ends_with_the_account(
    team: Project, time: Any, browser: Browser
) -> None:
    first, second = people.invite(team, "ada", by="root"), people.invite(team, "ada", by="root")
    assert browser().get(f"/invite/{first}").status_code == 404
    assert browser().get(f"/invite/{second}").status_code == 200
    time.move(days=7)
    assert browser().post(f"/invite/{second}", data={"password": "a new password 1"}).status_code == 404
    third = people.invite(team, "ada", by="root")
    people.disable_user(team, "ada", by="root")
    assert browser().get(f"/invite/{third}").status_code == 404
    with pytest.raises(AccountError, match="is disabled; run `querist users enable ada`"):
        people.invite(team, "ada", by="root")


def test_an_invitation_that_was_changed_or_made_by_another_key_lets_nobody_in(team: Project, browser: Browser) -> None:
    link = people.invite(team, "ada", by="root")
    with team.ledger.read() as tx:
        key = accounts.find_key(tx, "invitation")
    told = invitations.read(link, key, now=team.clock())
    assert told[1:] == ("ada", "annotator", "2026-01-09T00:00:00.000+00:00")
    later = told._replace(until="2027-01-01T00:00:00.000+00:00")
    wrong = [invitations.sign(told, "another key"), invitations.sign(told._replace(secret="guessed"), key)]
    wrong += [invitations.sign(told._replace(**change), key) for change in ({"name": "root"}, {"role": "admin"})]
    wrong += [link[:-1], link[1:], told.secret, f"{link}a", link.swapcase(), invitations.sign(later, "x")]
    assert {browser().get(f"/invite/{one}").status_code for one in wrong} == {404}
    assert {browser().post(f"/invite/{one}", data={"password": "a new password 1"}).status_code for one in wrong} == {
        404
    }
    assert browser().get(f"/invite/{link}").status_code == 200


@given(st.data())
@settings(max_examples=50)
def test_no_change_of_an_invitation_goes_unseen(data: st.DataObject) -> None:
    invitation = invitations.Invitation("secret", "ada", "annotator", "2026-01-09T00:00:00.000+00:00")
    link, now = invitations.sign(invitation, "key"), datetime(2026, 1, 2, tzinfo=UTC)
    assert invitations.read(link, "key", now=now) == invitation
    place = data.draw(st.integers(0, len(link) - 2))  # of the last letter two bits are padding
    letter = data.draw(st.sampled_from("abcXYZ019-_.").filter(lambda letter: letter != link[place]))
    with pytest.raises(AccountError, match="ask for another"):
        invitations.read(link[:place] + letter + link[place + 1 :], "key", now=now)


def test_an_invitation_is_for_the_role_it_was_made_for(team: Project, browser: Browser) -> None:
    link = f"/invite/{people.invite(team, 'ada', by='root')}"
    people.set_role(team, "ada", "admin", by="root")
    assert browser().get(link).status_code == 404
    assert browser().post(link, data={"password": "a new password 1"}).status_code == 404
    people.set_role(team, "ada", "annotator", by="root")
    assert browser().get(link).status_code == 404, "it does not come back with the role"
    link = f"/invite/{people.invite(team, 'ada', by='root')}"
    people.set_role(team, "ada", "annotator", by="root")
    assert browser().get(link).status_code == 200, "nothing was changed"


@pytest.mark.parametrize(
    "path", ["/invite/..%2f..%2fsign-in", "/invite/../../etc/passwd", "/invite/%00", "/invite/%ff", "/invite/a%2fb"]
)
def test_a_path_that_is_no_invitation_is_not_found(browser: Browser, path: str) -> None:
    assert browser().get(path).status_code == 404


def test_an_invitation_is_no_session_and_a_session_no_invitation(
    team: Project, sign_in: Browser, browser: Browser
) -> None:
    cookie = next(iter(sign_in("ada").cookies.items()))
    assert browser().get(f"/invite/{cookie[1]}").status_code == 404
    invitation = people.invite(team, "ada", by="root")
    client = browser()
    client.cookies.set(cookie[0], invitation)
    assert client.get("/").status_code == 401
    assert client.get("/", headers={"Authorization": f"Bearer {invitation}"}).status_code == 401


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
