"""Coming in by an invitation: once, for one role, in time."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra web is not installed")
pytest.importorskip("argon2", reason="the extra web is not installed")
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.core.errors import AccountError
from querist.pipeline.accounts import invitations, people
from querist.pipeline.project import Project
from querist.store import accounts

Browser = Callable[..., TestClient]


def said(text: str) -> str:
    return re.search(r'role="alert">([^<]*)<', text)[1]


def whats(project: Project) -> list[str]:
    return [entry.what for entry in people.audit_log(project)]


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
