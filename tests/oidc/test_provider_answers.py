"""What the provider tells beside the ID token, what it may fail to do, and the settings it is found by."""

from __future__ import annotations

import importlib.util
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("authlib", reason="the extra oidc is not installed")
pytest.importorskip("fastapi", reason="the extra web is not installed")
from click.testing import CliRunner
from oidc_provider import Browser, Provider

from querist.cli import cli
from querist.config import Settings, parse
from querist.core.errors import AccountError, MissingExtra, SettingError
from querist.pipeline.accounts import oidc, people
from querist.pipeline.project import Project

Make = Callable[..., Project]
ROLES = 'role_claim = "groups"\nroles = {leads = "lead", it = "admin", crowd = "annotator"}'
DOWN = "single sign-on does not answer at the moment. Try again later, or take your password."


def fails(answer: Any, project: Project) -> str:
    """The newest entry of the audit log; the page says that the provider does not answer."""
    assert (answer.status_code, re.search(r'role="alert">([^<]*)<', answer.text)[1]) == (502, DOWN)
    return people.audit_log(project)[-1].detail["why"]


def role(project: Project) -> str:
    return next(a.role for a in people.list_users(project) if a.name == "lee@example.org")


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (["leads"], "lead"),
        (["crowd", "it", "leads"], "admin"),
        ("leads", "lead"),
        (["admin", "IT"], "annotator"),
        ([], "annotator"),
        ([{"name": "it"}, 5, None], "annotator"),
        ({"it": True}, "annotator"),
        (None, "annotator"),
    ],
)
def test_the_highest_role_that_the_provider_gives_counts(
    make: Make, provider: Provider, groups: object, expected: str
) -> None:
    provider.person["groups"] = groups
    project = make(ROLES)
    assert Browser(project).sign_in().status_code == 303
    assert role(project) == expected


def test_a_role_is_looked_at_again_at_each_sign_in(make: Make, provider: Provider) -> None:
    project, roles = make(f'{ROLES}\naccounts = "create"', lee=False), []
    for groups in (["it"], ["it"], []):
        provider.person["groups"] = groups
        Browser(project).sign_in()
        roles.append(role(project))
    assert roles == ["admin", "admin", "annotator"]
    changed = [e.detail["role"] for e in people.audit_log(project) if e.what == "role changed"]
    assert changed == ["admin", "annotator"]


def test_without_roles_in_the_settings_the_provider_gives_none(make: Make, provider: Provider) -> None:
    provider.person |= {"groups": ["admin"], "role": "admin", "roles": ["admin"]}
    project = make()
    Browser(project).sign_in()
    assert role(project) == "lead"


def test_another_claim_may_name_the_account(make: Make, provider: Provider) -> None:
    provider.person = {"sub": "1", "preferred_username": "root", "email": "x@example.org"}
    project = make('claim = "preferred_username"')
    assert Browser(project).sign_in().status_code == 303
    assert people.audit_log(project)[-1].who == "root"


def test_what_the_id_token_leaves_out_is_asked_for(make: Make, provider: Provider) -> None:
    provider.told = provider.person
    provider.person = {"sub": provider.told["sub"]}
    assert Browser(make()).sign_in().status_code == 303


def test_but_only_about_the_same_person(make: Make, provider: Provider) -> None:
    provider.told = {**provider.person, "sub": "another"}
    provider.person = {"sub": "248289761001"}
    project = make()
    assert Browser(project).sign_in().status_code == 403
    assert people.audit_log(project)[-1].detail["why"].startswith("the provider told about another person")


def test_a_provider_that_is_down_is_one_sentence(
    make: Make, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(provider, "url", f"http://127.0.0.1:{unused_port()}")
        project = make()
    why = fails(Browser(project).go(), project)
    assert re.fullmatch(r"cannot get an answer of the provider .*ConnectError.*; is oidc.issuer right\?", why)


def test_a_provider_that_goes_down_meanwhile_is_one_sentence(make: Make, provider: Provider) -> None:
    project = make()
    browser = Browser(project)
    back = browser.there(browser.go())
    provider.document = {"token_endpoint": f"http://127.0.0.1:{unused_port()}/token"}
    assert "ConnectError" in fails(browser.here.get(back), project)


def test_a_provider_that_takes_too_long_is_one_sentence(
    make: Make, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc, "SECONDS", 0.2)
    project = make()
    browser = Browser(project)
    back = browser.there(browser.go())
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        provider.document = {"token_endpoint": f"http://127.0.0.1:{silent.getsockname()[1]}/token"}
        assert "Timeout" in fails(browser.here.get(back), project)


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"issuer": "https://evil.example"}, "calls itself 'https://evil.example'; write oidc.issuer exactly so"),
        ({"issuer": None}, "calls itself 'None'"),
        ({"token_endpoint": "http://id.example/token"}, "has no https address as its token_endpoint"),
        ({"jwks_uri": None}, "has no https address as its jwks_uri"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "has no https address as its authorization_endpoint"),
        ({"authorization_endpoint": ["https://id.example"]}, "has no https address as its authorization_endpoint"),
    ],
)
def test_a_provider_that_describes_itself_badly_is_not_used(
    make: Make, provider: Provider, document: dict[str, Any], why: str
) -> None:
    provider.document = document
    project = make()
    assert why in fails(Browser(project).go(), project)


def test_a_wrong_secret_lets_nobody_in(make: Make, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make()
    monkeypatch.setenv("QUERIST_OIDC_SECRET", "old")
    assert Browser(project).sign_in().status_code == 403
    assert people.audit_log(project)[-1].detail["why"] == "the provider took no code: 'invalid_client'"


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"issuer": "http://id.example"}, "oidc.issuer = 'http://id.example': must be an https address"),
        ({"issuer": "id.example"}, "must be an https address"),
        ({"issuer": "https://id.example?x=1"}, "without a query"),
        ({"issuer": "https://me:pw@id.example"}, "must be an https address"),
        ({"issuer": "https://id.example:port"}, "must be an https address"),
        ({"issuer": "https://id.example"}, "issuer needs client_id"),
        ({"claim": "name"}, "is what people call themselves; take email"),
        ({"scopes": ["email"]}, "must hold openid"),
        ({"roles": {"x": "lead"}}, "role_claim and roles need each other"),
        ({"role_claim": "groups"}, "role_claim and roles need each other"),
        ({"role_claim": "groups", "roles": {"x": "king"}}, "'annotator', 'lead' or 'admin'"),
        ({"accounts": "all"}, "'existing' or 'create'"),
        ({"isuer": "x"}, "Did you mean 'issuer'"),
    ],
)
def test_settings_that_cannot_work_are_one_sentence(values: dict[str, Any], error: str) -> None:
    with pytest.raises(SettingError, match=re.escape(error)):
        parse({"oidc": values})


@pytest.mark.parametrize("issuer", ["https://id.example/realms/a", "http://localhost:8080", "http://[::1]:8080/x/", ""])
def test_issuers_that_will_do(issuer: str) -> None:
    assert parse({"oidc": {"issuer": issuer, "client_id": "querist"}}).oidc.issuer == issuer
    assert Settings().oidc.issuer == "", "off unless somebody wants it"


def test_a_missing_secret_stops_the_server_before_it_starts(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make()
    monkeypatch.delenv("QUERIST_OIDC_SECRET")
    with pytest.raises(SettingError, match="QUERIST_OIDC_SECRET is empty; put the secret of the client 'querist'"):
        Browser(project)


def test_a_client_may_have_no_secret(make: Make, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Provider, "_unknown_client", lambda self, request, form: None)
    project = make('client_secret_env = ""')
    assert Browser(project).sign_in().status_code == 303


def test_a_missing_extra_is_named(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make()
    monkeypatch.setattr(oidc, "find_spec", lambda name: None if name == "authlib" else importlib.util.find_spec(name))
    with pytest.raises(MissingExtra, match=re.escape("pip install 'querist[oidc]'")):
        Browser(project)


def test_without_a_provider_its_addresses_are_not_there(folder: Path) -> None:
    project = Project(folder)
    people.add_user(project, "root", "admin", by="test")
    browser = Browser(project)
    assert browser.go().status_code == 404
    assert "Sign in with" not in browser.here.get("/sign-in").text


def test_an_account_is_unbound_from_the_shell(make: Make, provider: Provider, folder: Path) -> None:
    project = make()
    Browser(project).sign_in()
    unbind = ["users", "unbind", "lee@example.org", "--project", str(folder)]
    assert CliRunner().invoke(cli, unbind).output.startswith("unbound lee@example.org")
    assert [e.what for e in people.audit_log(project)][-1] == "identity unbound"
    with pytest.raises(AccountError, match=r"nobody signs in to the account .* through a provider"):
        people.unbind_user(project, "lee@example.org", by="test")
