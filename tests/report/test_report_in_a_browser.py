"""The report in a real browser: silent, alone, readable on a phone and by a screen reader, hostile texts or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import axe_source, open_chromium
from report_findings import HOSTILE, sample_findings

from querist.stages.reporting.html import html

for extra in ("altair", "vl_convert", "jinja2", "mermaidx"):
    pytest.importorskip(extra, reason="the extra report is not installed")

PHONE, DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:  # Any: playwright's Browser, which is an extra
    with open_chromium() as found:
        yield found


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html(sample_findings(text=HOSTILE), audience="engineer"), encoding="utf-8")
    return path


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_the_page_is_silent_alone_and_no_wider_than_the_screen(browser: Any, page_file: Path, size: Any) -> None:
    page = browser.new_context(viewport=size).new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_file.as_uri())
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [page_file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert page.locator("h1").inner_text().startswith("<script>alert(1)</script>")
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Any, page_file: Path, scheme: str) -> None:
    page = browser.new_context(bypass_csp=True, color_scheme=scheme).new_page()
    page.goto(page_file.as_uri())
    page.add_script_tag(content=axe_source())
    found = page.evaluate("axe.run()")["violations"]
    assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []
    page.context.close()


def test_the_curve_is_readable_on_a_dark_page(browser: Any, page_file: Path) -> None:
    page = browser.new_context(color_scheme="dark").new_page()
    page.goto(page_file.as_uri())
    colour = "element => getComputedStyle(element).fill"
    axis = page.locator('svg[aria-labelledby^="chart-learning-curve-labels"] text').first.evaluate(colour)
    paper = page.locator("#curve").evaluate("element => getComputedStyle(element).backgroundColor")
    assert _light(axis) > 3 * _light(paper)
    page.context.close()


def test_the_nearest_point_tells_its_figures_to_pointer_and_keyboard(browser: Any, page_file: Path) -> None:
    page = browser.new_page()
    page.goto(page_file.as_uri())
    chart, tip = page.locator("#curve svg").first, page.locator("#curve .tip").first
    assert chart.locator("path > title").count() == 0  # else the browser would tell it a second time
    chart.hover()
    assert tip.inner_text().startswith("round ")
    page.mouse.move(0, 0)
    assert tip.inner_text() == ""
    page.keyboard.press("Tab")
    chart.focus()
    page.keyboard.press("Home")
    assert tip.inner_text().startswith("round 0: macro-F1 0.710 (0.690 to 0.730), 300 labels")
    page.keyboard.press("ArrowRight")
    assert tip.inner_text().startswith("round 1:")
    for key in ("Alt+ArrowLeft", "Control+Home", "Meta+ArrowLeft"):
        page.evaluate(
            "addEventListener('keydown', event => { window.taken = event.defaultPrevented; }, { once: true })"
        )
        chart.dispatch_event("keydown", pressed(key))
        assert page.evaluate("window.taken") is False, f"{key} is the browser's own"
        assert tip.inner_text().startswith("round 1:")
    page.keyboard.press("Escape")
    assert tip.inner_text() == ""
    page.close()


def test_a_series_can_be_put_away_and_brought_back(browser: Any, page_file: Path) -> None:
    page = browser.new_page()
    page.goto(page_file.as_uri())
    random = page.locator("#curve figure").first.get_by_role("button", name="random")
    line = page.locator("#curve figure").first.locator('path[data-series="random"]').first
    for shown in (False, True):
        random.click()
        assert random.get_attribute("aria-pressed") == str(shown).lower()
        assert line.is_visible() == shown
    page.close()


def test_a_point_of_a_series_that_was_put_away_tells_nothing(browser: Any, page_file: Path) -> None:
    page = browser.new_page()
    page.goto(page_file.as_uri())
    figure = page.locator("#curve figure").first
    chart, tip = figure.locator("svg"), page.locator("#curve .tip").first
    page.keyboard.press("Tab")
    chart.focus()
    page.keyboard.press("End")
    assert tip.inner_text().startswith("round 4")
    figure.get_by_role("button", name="this project").press("Enter")
    assert tip.inner_text() == ""
    chart.focus()
    assert tip.inner_text() == ""
    page.close()


def test_without_scripts_points_tell_their_figures_by_their_titles(browser: Any, page_file: Path) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(page_file.as_uri())
    chart = page.locator("#curve svg").first
    assert chart.locator("path > title").first.text_content() == "round 0: macro-F1 0.710 (0.690 to 0.730), 300 labels"
    page.context.close()


def test_the_page_prints_to_paper(browser: Any, page_file: Path) -> None:
    page = browser.new_page()
    page.goto(page_file.as_uri())
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    page.close()


def pressed(key: str) -> dict[str, Any]:
    modifier, name = key.split("+")
    return {"key": name, {"Alt": "altKey", "Control": "ctrlKey", "Meta": "metaKey"}[modifier]: True, "cancelable": True}


def _light(colour: str) -> float:
    return sum(float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3])
