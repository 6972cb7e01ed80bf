"""Signing in through a provider, and everything that is not let in."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

pytest.importorskip("authlib", reason="the extra oidc is not installed")
pytest.importorskip("fastapi", reason="the extra web is not installed")
from oidc_provider import REFUSED, Browser, Provider, refused, why

from querist.pipeline.accounts import people
from querist.pipeline.project import Project

Make = Callable[..., Project]
NOBODY = "single sign-on knows you, but no account is open for you here. Ask an admin."


def test_who_has_an_account_comes_in_and_to_the_page_that_was_wanted(make: Make, provider: Provider) -> None:
    project = make()
    browser = Browser(project)
    form = browser.here.get("/sign-in?next=/lead/queue").text
    assert "Sign in with single sign-on" in form
    assert 'href="/sign-in/oidc?next=/lead/queue"' in form
    done = browser.sign_in("/lead/queue")
    assert (done.status_code, done.headers["location"]) == (303, "/lead/queue")
    assert browser.me() == 200
    assert browser.here.get("/api/v1/rounds").status_code == 200, "the role is that of the account"
    entries = people.audit_log(project)[-2:]
    assert [(e.who, e.what) for e in entries] == [
        ("lee@example.org", "identity bound"),
        ("lee@example.org", "signed in"),
    ]
    assert entries[0].detail["subject"] == "248289761001"
    assert [(a.name, a.state) for a in people.list_users(project)] == [
        ("lee@example.org", "active"),
        ("root", "invited"),
    ]


def test_the_provider_gets_what_the_standard_asks_and_nothing_twice(make: Make, provider: Provider) -> None:
    browser = Browser(make())
    browser.sign_in()
    browser.sign_in()
    first, second = provider.asked
    assert first["redirect_uri"] == "http://localhost/sign-in/oidc/callback"
    told = {name: first[name] for name in ("response_type", "client_id", "scope", "code_challenge_method")}
    assert told == {
        "response_type": "code",
        "client_id": "querist",
        "scope": "openid email profile",
        "code_challenge_method": "S256",
    }
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) >= 43
        assert first[name] != second[name]
    assert len({first["state"], first["nonce"], first["code_challenge"]}) == 3


def test_what_the_browser_keeps_on_the_way_is_short_lived_and_hidden_from_scripts(make: Make) -> None:
    browser = Browser(make())
    sent = browser.go()
    cookie = sent.headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=lax", "Max-Age=600", "Path=/sign-in/oidc"):
        assert part in cookie
    assert "Secure" not in cookie
    secret = re.search(r"=([\w-]{43})\.", cookie)[1]
    assert secret not in sent.headers["location"]
    visit, session = browser.here.get(browser.there(sent)).headers.get_list("set-cookie")[::-1]
    assert "Max-Age=0" in visit
    assert "HttpOnly" in session
    browser.here.base_url = "https://label.example"
    sent = browser.go()
    assert "Secure" in sent.headers["set-cookie"]
    back = parse_qs(urlsplit(sent.headers["location"]).query)["redirect_uri"]
    assert back == ["https://label.example/sign-in/oidc/callback"]


def test_es256_and_a_secret_in_the_form_will_do(make: Make, provider: Provider) -> None:
    provider.alg = "ES256"
    provider.document = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    browser = Browser(make())
    assert browser.sign_in().status_code == 303
    assert browser.me() == 200


def test_who_has_no_account_stays_out(make: Make, provider: Provider) -> None:
    project = make(lee=False)
    browser = Browser(project)
    assert refused(browser.sign_in(), 403, NOBODY)
    assert browser.me() == 303
    assert why(project) == "no account is named 'lee@example.org'; see `querist users add` and oidc.accounts"
    assert [a.name for a in people.list_users(project)] == ["root"]


def test_where_the_project_wants_it_everybody_gets_an_account_as_annotator(make: Make, provider: Provider) -> None:
    project = make('accounts = "create"', lee=False)
    browser = Browser(project)
    for _ in range(2):
        assert browser.sign_in().status_code == 303
    assert browser.me() == 200
    assert next((a.name, a.role, a.state) for a in people.list_users(project)) == (
        "lee@example.org",
        "annotator",
        "active",
    )
    assert [e.what for e in people.audit_log(project)][1:] == ["user added", "identity bound", "signed in", "signed in"]


@pytest.mark.parametrize("verified", [False, None, "false", 1])
def test_an_email_that_nobody_verified_names_nobody(make: Make, provider: Provider, verified: object) -> None:
    provider.person["email_verified"] = verified
    project = make('accounts = "create"')
    assert refused(Browser(project).sign_in(), 403, NOBODY)
    assert why(project) == "the provider has not verified the email 'lee@example.org'"


@pytest.mark.parametrize("email", [None, "", "a b@example.org", "x" * 65, ["lee@example.org"], "../lee"])
def test_what_can_be_no_name_is_none(make: Make, provider: Provider, email: object) -> None:
    provider.person["email"] = email
    project = make('accounts = "create"')
    assert refused(Browser(project).sign_in(), 403, NOBODY)
    assert why(project) == "the claim 'email' is missing, or can be no account's name"


def test_another_subject_with_the_same_email_is_refused_until_an_admin_says_otherwise(
    make: Make, provider: Provider
) -> None:
    project = make('accounts = "create"')
    first, second = Browser(project), Browser(project)
    assert first.sign_in().status_code == 303
    provider.person["sub"] = "another"
    assert refused(second.sign_in(), 403, NOBODY)
    assert why(project).startswith("the account 'lee@example.org' is another subject's")
    assert first.me() == 200
    people.unbind_user(project, "lee@example.org", by="root")
    assert first.me() == 303, "who had the account is out"
    assert second.sign_in().status_code == 303
    provider.person["sub"] = "248289761001"
    assert refused(first.sign_in(), 403, NOBODY)


def test_a_person_whose_email_changes_keeps_the_account(make: Make, provider: Provider) -> None:
    project = make('accounts = "create"')
    Browser(project).sign_in()
    provider.person["email"] = "lee.married@example.org"
    assert Browser(project).sign_in().status_code == 303
    assert people.audit_log(project)[-1].who == "lee@example.org"
    assert len(people.list_users(project)) == 2


def test_a_disabled_account_stays_out_and_is_not_made_anew(make: Make, provider: Provider) -> None:
    project = make('accounts = "create"')
    browser = Browser(project)
    people.disable_user(project, "lee@example.org", by="root")
    assert refused(browser.sign_in(), 403, NOBODY)
    people.enable_user(project, "lee@example.org", by="root")
    assert browser.sign_in().status_code == 303
    people.disable_user(project, "lee@example.org", by="root")
    assert browser.me() == 303
    assert refused(browser.sign_in(), 403, NOBODY)
    assert why(project) == "the account 'lee@example.org' is disabled"


def test_nobody_comes_back_for_another_browser(make: Make, provider: Provider) -> None:
    project = make()
    evil, victim, fresh = Browser(project), Browser(project), Browser(project)
    back = evil.there(evil.go())
    victim.go()
    for browser in (victim, fresh):
        assert refused(browser.here.get(back), 403, REFUSED)
        assert why(project) == "the state is another: the sign-in began in another browser or too long ago"
        assert browser.me() == 303


@pytest.mark.parametrize(
    "query", ["", "?code=x", "?state=", "?state=%C3%A9&code=x", "?code=x&state=&state=x", "?error=x"]
)
def test_an_answer_that_nobody_asked_for_is_refused(make: Make, provider: Provider, query: str) -> None:
    browser = Browser(make())
    browser.go()
    assert refused(browser.here.get(f"/sign-in/oidc/callback{query}"), 403, REFUSED)


def test_a_code_serves_once(make: Make, provider: Provider) -> None:
    project = make()
    browser = Browser(project)
    back = browser.there(browser.go())
    cookies = dict(browser.here.cookies)
    assert browser.here.get(back).status_code == 303
    again = Browser(project)
    assert refused(again.here.get(back), 403, REFUSED)
    again.here.cookies.update(cookies)
    assert refused(again.here.get(back), 403, REFUSED)
    assert why(project) == "the provider took no code: 'invalid_grant'"


def test_the_code_of_another_visit_is_refused(make: Make, provider: Provider) -> None:
    """PKCE: a stolen code is of no use in another browser."""
    project = make()
    victim, evil = Browser(project), Browser(project)
    stolen = parse_qs(urlsplit(victim.there(victim.go())).query)["code"][0]
    back = evil.there(evil.go())
    own = parse_qs(urlsplit(back).query)["code"][0]
    assert refused(evil.here.get(back.replace(own, stolen)), 403, REFUSED)
    assert why(project) == "the provider took no code: 'invalid_grant'"


def test_who_says_no_at_the_provider_is_told_so_and_nothing_of_it_is_shown(make: Make, provider: Provider) -> None:
    provider.error = "<script>alert(1)</script>" + "x" * 999
    project = make()
    answer = Browser(project).sign_in()
    assert refused(answer, 403, REFUSED)
    assert "alert(1)" not in answer.text
    assert len(why(project)) < 80


def test_an_answer_of_another_issuer_is_refused(make: Make, provider: Provider) -> None:
    project = make()
    browser = Browser(project)
    back = browser.there(browser.go())
    assert refused(browser.here.get(f"{back}&iss=https%3A%2F%2Fevil.example"), 403, REFUSED)
    assert why(project) == "the answer is that of another issuer"


@pytest.mark.parametrize(
    "next", ["//evil.example", "https://evil.example", "/\\evil", "\t//e", "/ /e", "", "/" + "x" * 1_000]
)
def test_the_way_back_leads_to_no_other_site(make: Make, provider: Provider, next: str) -> None:
    done = Browser(make()).sign_in(next)
    assert (done.status_code, done.headers["location"]) == (303, "/")


def test_a_tampered_way_back_leads_to_no_other_site_either(make: Make, provider: Provider) -> None:
    browser = Browser(make())
    back = browser.there(browser.go())
    ((name, value),) = browser.here.cookies.items()
    browser.here.cookies.clear()
    browser.here.cookies.set(name, value.split(".")[0] + ".%2F%2Fevil.example")
    done = browser.here.get(back)
    assert (done.status_code, done.headers["location"]) == (303, "/")


def test_who_signs_out_is_out_here(make: Make, provider: Provider) -> None:
    browser = Browser(make())
    browser.sign_in()
    csrf = re.search(r'name="csrf" value="(\w+)"', browser.here.get("/password").text)[1]
    assert browser.here.post("/sign-out").status_code == 403
    assert browser.here.post("/sign-out", headers={"X-CSRF-Token": csrf}).headers["location"] == "/sign-in"
    assert browser.me() == 303


def test_a_session_of_the_provider_ends_by_itself(make: Make, provider: Provider, time: Any) -> None:
    browser = Browser(make())
    browser.sign_in()
    time.move(days=7.1)
    assert browser.me() == 303


def test_too_many_attempts_close_the_door_for_a_while(make: Make, provider: Provider, time: Any) -> None:
    browser = Browser(make())
    assert all(browser.sign_in().status_code == 303 for _ in range(3)), "what succeeds does not count"
    codes = [browser.here.get("/sign-in/oidc/callback?state=x").status_code for _ in range(51)]
    assert codes == [403] * 50 + [429]
    closed = browser.go()
    assert (closed.status_code, closed.headers["retry-after"]) == (429, "600")
    time.move(minutes=10)
    assert browser.sign_in().status_code == 303


def test_who_works_alone_has_no_use_for_a_provider(make: Make, provider: Provider) -> None:
    project = make()
    people.disable_user(project, "root", by="test")
    people.disable_user(project, "lee@example.org", by="test")
    browser = Browser(project)
    for path in ("/sign-in/oidc", "/sign-in/oidc/callback"):
        assert browser.here.get(path).headers["location"] == "/sign-in"
    assert "Sign in with" not in browser.here.get("/sign-in").text


def test_the_name_of_the_provider_is_no_markup(make: Make, provider: Provider) -> None:
    page = Browser(make('name = "<b>Us</b> {0}"')).here.get("/sign-in").text
    assert "Sign in with &lt;b&gt;Us&lt;/b&gt; {0}" in page
