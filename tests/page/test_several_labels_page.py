"""Items with several labels on the page: keys choose, Enter sends, an empty set is asked about, undo brings it back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.long
Visit = Callable[..., Any]
LABELS = ("economy", "health", "politics", "sport")
MANY = [f"topic {chr(97 + i // 10)}{i % 10}" for i in range(30)]


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def text_of(page: Page) -> str:
    return page.locator("#item").inner_text()


def chosen(page: Page) -> list[str]:
    return page.locator('.label[aria-pressed="true"], .label[aria-selected="true"]').locator("bdi").all_inner_texts()


def serious(page: Page, axe: str) -> list[str]:
    page.evaluate(f"() => {{ {axe} }}")
    found = page.evaluate("() => axe.run().then((result) => result.violations)")
    return [f["id"] for f in found if f["impact"] in ("serious", "critical")]


@pytest.fixture
def with_several(make_project: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    def made(**settings: Any) -> Any:
        rows = [(f"{LABELS[i % 4]} and {LABELS[(i + i // 4) % 4]} number {i}", "p") for i in range(80)]
        return make_project(tmp_path / "several", rows, classes=LABELS, seed_size=30, labels="several", **settings)

    return made


def test_keys_choose_enter_sends_and_undo_brings_the_set_back(
    with_several: Callable[..., Any], serve: Callable[..., Any], visit: Visit, answer_all: Callable[..., None]
) -> None:
    project = with_several()
    answer_all(project, lambda text: ";".join(word for word in text.split() if word in LABELS))
    assert project.run().status == "waiting"
    site = serve(project)
    visitor = visit(site)
    page = visitor.open()

    first = text_of(page)
    press(page, "4", "1", "2", "2")
    assert chosen(page) == ["economy", "sport"]
    expect(page.locator("#chosen")).to_have_text("Chosen: economy, sport")
    expect(page.locator("#submit")).to_contain_text("Send 2")
    assert text_of(page) == first, "a choice is no decision yet"
    press(page, "Enter")
    expect(page.locator("#item")).not_to_have_text(first)
    assert chosen(page) == []
    expect(page.locator("#last")).to_contain_text("economy, sport")
    expect(page.locator("#last .model-says")).to_contain_text("The model says")

    second = text_of(page)  # an empty set is asked about, and is no skip
    press(page, "Enter")
    expect(page.locator("#none-box")).to_contain_text("Does none of the labels fit?")
    press(page, "Escape")
    assert text_of(page) == second
    press(page, "Enter", "Enter")
    expect(page.locator("#last")).to_contain_text("no label fits")
    press(page, "d")
    assert [a.label for a in site.wait_for(3)] == ["economy;sport", "(none)", None]

    page.reload()
    expect(page.locator("#item .text")).to_be_visible()
    press(page, "u", "u", "u")
    expect(page.locator("#item")).to_have_text(first)
    assert chosen(page) == ["economy", "sport"]
    press(page, "4", "Enter")
    answers = site.wait_for(7)
    assert [a.kind for a in answers[3:]] == ["undo", "undo", "undo", "answer"]
    assert (answers[6].item, answers[6].label) == (answers[0].item, "economy")

    page.get_by_role("button", name="politics").click()  # a mouse chooses, Enter still sends
    press(page, "Enter")
    assert site.wait_for(8)[-1].label == "politics"
    press(page, "?")
    expect(page.locator("#help-keys")).to_contain_text("Choose a label, or drop it again")
    expect(page.locator("#help-keys")).to_contain_text("Send what is chosen and go on")
    assert visitor.complaints == []


def test_a_phone_taps_and_sends_and_axe_finds_nothing_serious(
    with_several: Callable[..., Any], serve: Callable[..., Any], visit: Visit, axe: str
) -> None:
    site = serve(with_several(more='language = "de"'))
    page = visit(site, viewport={"width": 390, "height": 780}, has_touch=True, is_mobile=True).open()
    page.get_by_role("button", name="health").tap()
    page.get_by_role("button", name="economy").tap()
    assert serious(page, axe) == []
    page.get_by_role("button", name="2 senden").tap()
    assert [a.label for a in site.wait_for(1)] == ["economy;health"]


def test_many_labels_are_found_by_typing_and_chosen_by_enter(
    make_project: Callable[..., Any], tmp_path: Path, serve: Callable[..., Any], visit: Visit, axe: str
) -> None:
    rows = [(f"text {i}", "p") for i in range(40)]
    site = serve(make_project(tmp_path / "many", rows, classes=MANY, seed_size=10, labels="several"))
    page = visit(site).open()
    page.keyboard.type("c3")
    press(page, "Enter")
    page.keyboard.type("a1")
    press(page, "Enter")
    assert chosen(page) == ["topic a1", "topic c3"]
    assert serious(page, axe) == []
    press(page, "Enter")
    assert [a.label for a in site.wait_for(1)] == ["topic a1;topic c3"]
