"""The lead's pages keep up with what happens, and nothing moves under the hand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra web is not installed")
pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra test)")

import uvicorn
from browser import open_chromium
from playwright.sync_api import expect
from web_client import ByHeader

from querist.pipeline.human_labeling.labeling import Desk
from querist.pipeline.project import Project
from querist.web.app import create_app

AS_LEAD = {"x-person": "lea", "x-role": "lead"}
HIDE = "(hidden) => Object.defineProperty(document, 'hidden', { value: hidden, configurable: true })"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with open_chromium() as browser:
        yield browser


@pytest.fixture
def url(project: Project) -> Iterator[str]:
    config = uvicorn.Config(create_app(project, gate=ByHeader()), host="127.0.0.1", port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    end = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < end
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def open_page(chromium: Any, address: str) -> Any:
    context = chromium.new_context(extra_http_headers=AS_LEAD, viewport={"width": 900, "height": 500})
    page = context.new_page()
    page.clock.install()
    page.goto(address)
    return page


def test_a_page_shows_what_is_new_and_keeps_focus_and_scroll(
    chromium: Any, url: str, project: Project, answer: Callable[..., None], items: list[str]
) -> None:
    page = open_page(chromium, f"{url}/lead")
    link = page.locator("#content a.button, #content .scroll").first
    answer(project, "ada", {items[0]: "pos"})
    answer(project, "bob", {items[0]: "pos"})
    page.clock.run_for(31_000)
    expect(page.locator("#content")).to_contain_text("1 of 20 items")
    expect(link).to_be_visible()  # the exports, now that there is an answer
    link.focus()
    page.evaluate("scrollTo(0, 120)")
    answer(project, "ada", {items[1]: "pos"})
    answer(project, "bob", {items[1]: "pos"})
    page.clock.run_for(31_000)
    expect(page.locator("#content")).to_contain_text("2 of 20 items")
    expect(link).to_be_focused()
    assert page.evaluate("scrollY") == 120


def test_a_hidden_page_and_one_about_to_be_used_stay_as_they_are(chromium: Any, url: str, project: Project) -> None:
    Desk(project).lease("ada", "t", 5)
    page = open_page(chromium, f"{url}/lead/queue")
    asked: list[str] = []
    page.on("request", lambda request: "/static/" in request.url or asked.append(request.url))
    page.get_by_role("button", name="Release the items of ada").focus()
    page.clock.run_for(31_000)
    page.evaluate("document.activeElement.blur()")
    page.evaluate(HIDE, True)
    page.clock.run_for(61_000)
    assert asked == []
    page.evaluate(HIDE, False)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#content")).to_contain_text("ada")
    page.wait_for_timeout(200)
    assert asked == [f"{url}/lead/queue"]


def test_decisions_do_not_move_away(chromium: Any, url: str, disagreed: Project) -> None:
    page = open_page(chromium, f"{url}/lead/review")
    asked: list[str] = []
    page.on("request", lambda request: "/static/" in request.url or asked.append(request.url))
    page.clock.run_for(61_000)
    assert asked == []
