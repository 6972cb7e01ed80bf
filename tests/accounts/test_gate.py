"""Who may do what, and from where: CSRF, origins, host names, tokens, the one-time URL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra web is not installed")
pytest.importorskip("argon2", reason="the extra web is not installed")
from fastapi import FastAPI
from fastapi.testclient import TestClient

from querist.core.errors import AccountError, SettingError
from querist.pipeline.accounts import people
from querist.pipeline.project import Project
from querist.web.auth import Gate
from querist.web.sessions import csrf_value

Browser = Callable[..., TestClient]
MakeApp = Callable[[Project, Gate], FastAPI]
ANOTHER_PAGE = {"Sec-Fetch-Site": "cross-site"}


def csrf(client: TestClient) -> dict[str, str]:
    (secret,) = client.cookies.values()
    return {"X-CSRF-Token": csrf_value(secret)}


def test_an_unsafe_request_needs_the_value_of_its_own_session(sign_in: Browser) -> None:
    ada, lee = sign_in("ada"), sign_in("lee")
    assert ada.post("/api/v1/work", headers=csrf(ada)).json() == {"name": "ada"}
    assert ada.post("/api/v1/work", data={"csrf": csrf(ada)["X-CSRF-Token"]}).status_code == 200
    for wrong in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "x"}, csrf(lee), {"X-CSRF-Token": "é".encode()}):
        refused = ada.post("/api/v1/work", headers=wrong)
        assert refused.status_code == 403
        assert refused.headers["content-type"] == "application/problem+json"
    for form in ({}, {"csrf": "x"}, {"csrf": csrf(lee)["X-CSRF-Token"]}):
        assert ada.post("/api/v1/work", data=form).status_code == 403
    assert ada.post("/api/v1/work", files={"csrf": b"x"}).status_code == 403
    assert ada.post("/api/v1/work", json=csrf(ada)).status_code == 403
    assert ada.post("/sign-out").status_code == 403


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=x", "multipart/form-data; b"])
def test_a_broken_form_is_refused(sign_in: Browser, kind: str) -> None:
    done = sign_in("ada").post("/api/v1/work", content=b"--x\r\n\x00", headers={"Content-Type": kind})
    assert done.status_code in (400, 403)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://localhost"}, 200),
        ({"Origin": "https://LOCALHOST"}, 200),  # TLS ends before us
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://localhost:8001"}, 403),
        ({"Origin": "http://localhost.evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        (ANOTHER_PAGE, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"}, 403),
    ],
)
def test_another_page_cannot_act_or_sign_anybody_in(sign_in: Browser, headers: dict[str, str], status: int) -> None:
    client = sign_in("ada")
    assert client.post("/api/v1/work", headers={**csrf(client), **headers}).status_code == status
    done = client.post("/sign-in", data={"name": "lee", "password": "correct horse battery"}, headers=headers)
    assert done.status_code == (303 if status == 200 else 403)


def test_another_page_uses_no_invitation(team: Project, browser: Browser) -> None:
    link = f"/invite/{people.invite(team, 'ada', by='root')}"
    assert browser().post(link, data={"password": "a new password 1"}, headers=ANOTHER_PAGE).status_code == 403
    assert browser().get(link).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("localhost.", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("192.168.0.7", 200),
        ("label.example", 200),
        ("evil.example", 421),
        ("label.example.evil.example", 421),
        ("localhost.evil.example", 421),
        ("localhost@evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("evil.example:80:localhost", 421),
        ("localhost/evil", 421),
        ("", 421),
    ],
)
def test_a_name_that_is_not_ours_is_not_answered(sign_in: Browser, host: str, status: int) -> None:
    client = sign_in("ada")
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    assert client.get("/", headers={"Host": host, "Cookie": cookie}).status_code == status


def test_two_host_headers_are_one_too_many(sign_in: Browser) -> None:
    hosts = [("Host", "localhost"), ("Host", "evil.example")]
    assert sign_in("ada").get("/", headers=hosts).status_code == 421


@pytest.mark.parametrize("name", ["X-Forwarded-Host", "X-Host", "Forwarded", "X-Original-URL", "X-Rewrite-URL"])
def test_headers_of_proxies_that_nobody_configured_change_nothing(browser: Browser, name: str) -> None:
    assert browser().get("/lead/", headers={name: "evil.example"}).status_code == 401
    sent = browser().get("/lead/", headers={name: "evil.example", "Accept": "text/html"})
    assert sent.headers["location"] == "/sign-in?next=/lead/"


@pytest.mark.parametrize("path", ["/lead/../", "/./lead/", "//lead/", "/lead/%2e%2e/", "/api/v1/..%2fadmin", "/LEAD/"])
def test_no_spelling_of_a_path_goes_around_the_gate(sign_in: Browser, path: str) -> None:
    client = sign_in("ada")
    client.cookies.clear()
    assert client.get(path).status_code in (401, 404, 307)


@pytest.mark.parametrize(
    ("name", "may"),
    [("ada", [200, 403, 403, 403]), ("lee", [200, 200, 200, 403]), ("root", [200, 200, 200, 200])],
)
def test_each_role_may_what_those_below_may(sign_in: Browser, name: str, may: list[int]) -> None:
    client = sign_in(name)
    assert statuses(client, csrf(client)) == may


def statuses(client: TestClient, headers: dict[str, str]) -> list[int]:
    asked = [("GET", "/"), ("GET", "/lead/"), ("GET", "/api/v1/labels/export"), ("POST", "/api/v1/admin")]
    return [client.request(method, path, headers=headers).status_code for method, path in asked]


@pytest.mark.parametrize(
    ("name", "scopes", "may"),
    [
        ("root", ["tasks"], [200, 403, 403, 403]),
        ("root", ["rounds"], [403, 200, 403, 403]),
        ("root", ["labels"], [403, 403, 200, 403]),
        ("root", ["tasks", "labels"], [200, 403, 200, 403]),
        ("root", ["admin"], [200, 200, 200, 200]),
        ("ada", ["admin"], [200, 403, 403, 403]),
        ("root", [], [403, 403, 403, 403]),
    ],
)
def test_a_token_may_what_its_scopes_and_the_persons_role_allow(
    team: Project, browser: Browser, name: str, scopes: list[str], may: list[int]
) -> None:
    _, token = people.make_token(team, name, scopes, days=None, by="test")
    assert statuses(browser(), {"Authorization": f"Bearer {token}"}) == may
    assert statuses(browser(), {"Authorization": f"bearer  {token} "}) == may


def test_a_token_needs_no_csrf_value_and_never_falls_back_on_the_session(
    team: Project, sign_in: Browser, browser: Browser
) -> None:
    id, token = people.make_token(team, "ada", ["tasks"], days=None, by="test")
    held = {"Authorization": f"Bearer {token}"}
    assert browser().post("/api/v1/work", headers=held).json() == {"name": "ada"}
    lee = sign_in("lee")
    assert lee.post("/api/v1/work", headers=held | csrf(lee)).json() == {"name": "ada"}
    people.revoke_token(team, id, by="root")
    assert browser().get("/", headers=held).status_code == 401
    assert lee.get("/", headers=held).status_code == 401, "a revoked token is not made good by a session"
    with pytest.raises(AccountError, match=f"no token has the id '{id}'"):
        people.revoke_token(team, id, by="root")


def test_a_token_expires_and_shows_when_it_was_used(team: Project, time: Any, browser: Browser) -> None:
    _, token = people.make_token(team, "ada", ["tasks"], days=1, by="test")
    held = {"Authorization": f"Bearer {token}"}
    assert people.list_tokens(team)[0].used_at is None
    time.move(hours=1)
    assert browser().get("/", headers=held).status_code == 200
    time.move(seconds=30)
    assert browser().get("/", headers=held).status_code == 200
    assert people.list_tokens(team)[0].used_at == "2026-01-02T01:00:00.000+00:00", "written once a minute at most"
    time.move(hours=23)
    assert browser().get("/", headers=held).status_code == 401
    assert people.list_tokens(team) == []


@pytest.mark.parametrize(
    "value", ["Bearer", "Bearer ", "Bearer x", "Bearer querist_", "Basic YWRhOng=", "é", "Bearer é"]
)
def test_a_header_that_is_no_token_lets_nobody_in(browser: Browser, value: str) -> None:
    assert browser().get("/", headers={"Authorization": value.encode("latin-1")}).status_code == 401


def test_alone_the_owner_comes_in_once_by_the_printed_url(project: Project, make_app: MakeApp) -> None:
    gate = Gate(project)
    app, path = make_app(project, gate), gate.one_time_path()

    def browser() -> TestClient:
        return TestClient(app, base_url="http://localhost", follow_redirects=False)

    assert path.startswith("/?token=")
    assert browser().get("/").status_code == 401, "other users of the machine"
    assert "Open the address" in browser().get("/sign-in").text
    assert browser().get("/?token=x").status_code == 403
    assert browser().post(path).status_code == 405
    owner = browser()
    entered = owner.get(path)
    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    assert owner.get("/").json() == {"name": people.this_user(), "role": "admin"}
    assert owner.post("/api/v1/admin", headers=csrf(owner)).status_code == 200
    assert owner.get(path).status_code == 303, "who is in already is not thrown out"
    stolen = browser().get(path)
    assert (stolen.status_code, "set-cookie" in stolen.headers) == (403, False)
    assert [(e.what, e.detail) for e in people.audit_log(project)] == [("signed in", {"by": "one-time link"})]


def test_a_restart_keeps_the_owner_in_and_ends_the_old_link(project: Project, make_app: MakeApp) -> None:
    unused, gate = Gate(project).one_time_path(), Gate(project)
    owner = TestClient(make_app(project, gate), base_url="http://localhost", follow_redirects=False)
    owner.get(gate.one_time_path())
    restarted = TestClient(make_app(project, Gate(project)), base_url="http://localhost", follow_redirects=False)
    restarted.cookies.update(owner.cookies)
    assert restarted.get("/").status_code == 200
    restarted.cookies.clear()
    assert restarted.get(unused).status_code == 403


def test_the_one_time_url_expires(project: Project, time: Any, make_app: MakeApp) -> None:
    gate = Gate(project)
    path = gate.one_time_path()
    time.move(hours=12)
    assert TestClient(make_app(project, gate), base_url="http://localhost").get(path).status_code == 403


def test_with_accounts_neither_a_link_nor_its_session_lets_anybody_in(project: Project, make_app: MakeApp) -> None:
    alone = Gate(project)
    owner = TestClient(make_app(project, alone), base_url="http://localhost", follow_redirects=False)
    owner.get(alone.one_time_path())
    unused = alone.one_time_path()
    people.add_user(project, "ada", "annotator", by="test")
    together = TestClient(make_app(project, Gate(project)), base_url="http://localhost", follow_redirects=False)
    assert together.get(unused).status_code == 403
    together.cookies.update(owner.cookies)
    assert together.get("/").status_code == 401


def test_a_gate_to_other_machines_needs_an_account(project: Project) -> None:
    with pytest.raises(SettingError, match=r"open to everybody who reaches 0\.0\.0\.0"):
        Gate(project, host="0.0.0.0")
    people.add_user(project, "ada", "admin", by="test")
    assert not Gate(project, host="0.0.0.0").alone
    people.disable_user(project, "ada", by="test")
    with pytest.raises(SettingError, match="no account exists"):
        Gate(project, host="0.0.0.0")


def test_two_projects_on_one_machine_have_cookies_of_their_own(project: Project, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "querist.toml").write_text("")
    assert Gate(project).cookie != Gate(Project(tmp_path / "other")).cookie
