"""The lead's pages in Chromium: nothing hostile runs, nothing is unreadable, a decision is one click."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra web is not installed")
pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra test)")

import uvicorn
from browser import axe_source, open_chromium
from playwright.sync_api import expect
from web_client import ByHeader

from querist.pipeline.project import Project
from querist.web.app import create_app

AS_LEAD = {"x-person": "lea", "x-role": "lead"}
PATHS = (
    "/lead",
    "/lead/queue",
    "/lead/people",
    "/lead/agreement",
    "/lead/review",
    "/lead/review?show=remarks",
    "/lead/review?show=relabel",
    "/lead/review?show=rulings",
)
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with open_chromium() as browser:
        yield browser


@pytest.fixture
def url(later: Project, answer: Callable[..., None]) -> Iterator[str]:
    """A server that shows a project with everything in it: disputes, remarks, leases, a model."""
    asked = [query["id"] for query in later.show_round(1)["queries"]]
    note = "<script>window.hacked = 1</script>"
    answer(later, "ada", {asked[0]: "pos", asked[1]: None}, note=note, details={"reason": "other", "flag": True})
    answer(later, "<b>bob</b>", {asked[0]: "neg"})
    config = uvicorn.Config(create_app(later, gate=ByHeader()), host="127.0.0.1", port=0, log_level="warning")
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [{"width": 1280, "height": 800}, PHONE], ids=["desk", "phone"])
def test_axe_finds_nothing_serious(chromium: Any, url: str, scheme: str, viewport: dict[str, int]) -> None:
    axe = axe_source()
    # axe comes from outside, which the policy of the page rightly refuses.
    context = chromium.new_context(extra_http_headers=AS_LEAD, bypass_csp=True, color_scheme=scheme, viewport=viewport)
    page = context.new_page()
    for path in PATHS:
        page.goto(url + path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        page.evaluate(f"() => {{ {axe} }}")
        found = page.evaluate("() => axe.run().then((result) => result.violations)")
        assert [(v["id"], [n["target"] for n in v["nodes"]]) for v in found] == [], path
    context.close()


def test_a_decision_is_one_click_and_nothing_hostile_runs(chromium: Any, url: str) -> None:
    complaints: list[str] = []
    context = chromium.new_context(extra_http_headers=AS_LEAD)
    page = context.new_page()
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    for path in PATHS:
        page.goto(url + path)
        assert page.evaluate("window.hacked") is None
    page.goto(f"{url}/lead/review")
    cards = page.locator("article")
    n = cards.count()
    cards.first.get_by_role("button", name="pos").click()
    expect(cards).to_have_count(n - 1)
    page.goto(f"{url}/lead/review?show=rulings")
    page.get_by_role("button", name="Take back").click()
    expect(page.get_by_role("button", name="Take back")).to_have_count(0)
    assert page.url == f"{url}/lead/review?show=rulings"  # back where one was
    page.goto(f"{url}/lead")
    assert page.evaluate("document.querySelector('.curve').naturalWidth") > 0
    page.locator("#theme").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert complaints == []
    context.close()
