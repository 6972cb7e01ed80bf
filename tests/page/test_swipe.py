"""Labels by a finger: on a phone, where the project says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from querist.core.errors import SettingError
from querist.pipeline.human_labeling.labeling import Desk
from querist.pipeline.project import Project

pytestmark = pytest.mark.long
Visit = Callable[..., Any]
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
BOTH = 'swipe = {left = "neg", right = "pos"}'


def draw(page: Page, *ways: tuple[float, float], fingers: int = 1, let_go: bool = True) -> None:
    """A finger (or several side by side) set on the item, moved by each way in turn, and lifted."""
    touch = page.context.new_cdp_session(page)
    box = page.locator("#item").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def send(kind: str, points: list[tuple[float, float]]) -> None:
        given = [{"x": px, "y": py, "id": number} for number, (px, py) in enumerate(points)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": given})

    send("touchStart", [(x + 40 * f, y) for f in range(fingers)])
    for right, down in ways:
        for step in range(1, 6):
            page.wait_for_timeout(16)
            send("touchMove", [(x + 40 * f + right * step / 5, y + down * step / 5) for f in range(fingers)])
        x, y = x + right, y + down
    if let_go:
        send("touchEnd", [])


@pytest.fixture
def phone(
    two_labels: Path,
    tmp_path: Path,
    serve: Callable[[Project], Any],
    visit: Visit,
    copy_of: Callable[..., Project],
) -> tuple[Any, Page, Any]:
    site = serve(copy_of(two_labels, tmp_path / "p", labeling=BOTH))
    visitor = visit(site, **PHONE)
    return site, visitor.open(), visitor


def test_a_swipe_is_a_label_and_can_be_undone(phone: tuple[Any, Page, Any]) -> None:
    site, page, visitor = phone
    first = page.locator("#item").inner_text()
    draw(page, (150, 0))
    expect(page.locator("#item")).not_to_have_text(first, use_inner_text=True)
    second = page.locator("#item").inner_text()
    draw(page, (-150, 10))
    assert [a.label for a in site.wait_for(2)] == ["pos", "neg"]
    page.locator("#undo").tap()
    expect(page.locator("#item")).to_have_text(second, use_inner_text=True)
    page.locator("#undo").tap()
    expect(page.locator("#item")).to_have_text(first, use_inner_text=True)
    assert [a.kind for a in site.wait_for(4)] == ["answer", "answer", "undo", "undo"]
    assert visitor.complaints == []


def test_the_hint_shows_which_side_is_what_and_which_is_chosen(phone: tuple[Any, Page, Any]) -> None:
    site, page, _ = phone
    expect(page.locator("#swipe")).to_be_visible()
    expect(page.locator("#swipe .left")).to_contain_text("Swipe left: ← neg")
    expect(page.locator("#swipe .right")).to_contain_text("Swipe right: pos →")
    draw(page, (150, 0), let_go=False)
    expect(page.locator("#swipe .chosen")).to_contain_text("pos")
    page.wait_for_function("() => document.querySelector('#item').style.transform.includes('150px')")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert not site.answers()


def test_what_is_no_swipe_decides_nothing(phone: tuple[Any, Page, Any]) -> None:
    site, page, _ = phone
    first = page.locator("#item").inner_text()
    draw(page, (40, 0))  # too short
    draw(page, (150, 0), (-140, 0))  # drawn back
    draw(page, (100, 120))  # aslant
    draw(page, (0, 150))  # scrolls
    draw(page, (150, 0), fingers=2)
    page.mouse.move(200, 300)
    page.mouse.down()
    page.mouse.move(380, 300, steps=5)
    page.mouse.up()
    page.wait_for_timeout(300)
    assert page.locator("#item").inner_text() == first
    assert page.locator("#item").evaluate("(item) => item.style.transform") == ""
    assert not site.answers()


def test_without_the_setting_nothing_is_swiped(site: Any, visit: Visit) -> None:
    page = visit(site, **PHONE).open()
    expect(page.locator("#swipe")).to_be_hidden()
    draw(page, (150, 0))
    page.wait_for_timeout(300)
    assert not site.answers()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_where_items_are_swiped(
    two_labels: Path,
    tmp_path: Path,
    serve: Callable[[Project], Any],
    visit: Visit,
    copy_of: Callable[..., Project],
    axe: str,
    scheme: str,
) -> None:
    site = serve(copy_of(two_labels, tmp_path / "p", labeling=BOTH))
    page = visit(site, **PHONE, bypass_csp=True, color_scheme=scheme).open()
    draw(page, (-150, 0), let_go=False)
    page.evaluate(f"() => {{ {axe} }}")
    found = page.evaluate("() => axe.run().then((result) => result.violations)")
    assert [(v["id"], [n["target"] for n in v["nodes"]]) for v in found] == []


def test_a_label_that_does_not_exist_is_refused(two_labels: Path, tmp_path: Path, copy_of: Callable[..., Any]) -> None:
    project = copy_of(two_labels, tmp_path / "p", labeling='swipe = {left = "bad"}')
    with pytest.raises(SettingError, match=r"labeling.swipe names 'bad', which is none of the labels"):
        Desk(project).labels  # noqa: B018
