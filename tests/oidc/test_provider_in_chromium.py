"""In a real browser, which has its own mind about cookies, redirects and what a page may do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("authlib", reason="the extra oidc is not installed")
pytest.importorskip("fastapi", reason="the extra web is not installed")
from browser import open_chromium
from oidc_provider import Provider, listening, served, url_of

from querist.pipeline.project import Project
from querist.web.app import create_app
from querist.web.auth import Gate


def test_one_click_signs_in_whom_the_provider_knows(make: Callable[..., Project], provider: Provider) -> None:
    project = make('name = "Example"')
    with listening() as bound, served(create_app(project, gate=Gate(project)), bound), open_chromium() as chromium:
        # Another site than the provider's, which is at 127.0.0.1.
        here = url_of(bound).replace("127.0.0.1", "localhost")
        page = chromium.new_page()
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(f"{here}/sign-in?next=/password")
        page.get_by_role("link", name="Sign in with Example").click()
        page.wait_for_url(f"{here}/password")
        (cookie,) = page.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/")
        assert errors == []
        provider.person["sub"] = "another"
        page.context.clear_cookies()
        page.goto(f"{here}/sign-in?next=/password")
        page.get_by_role("link", name="Sign in with Example").click()
        page.get_by_role("alert").wait_for()
        assert page.get_by_role("alert").inner_text().startswith("Example knows you, but no account is open")
        assert page.context.cookies() == []
        assert "next=/password" in page.get_by_role("link", name="Sign in with Example").get_attribute("href")
