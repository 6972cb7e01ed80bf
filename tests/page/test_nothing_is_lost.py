"""The server dies, the line drops, the tab closes, the session ends: each answer arrives, once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

pytestmark = pytest.mark.long
Visit = Callable[..., Any]
KEPT = """
() => Object.keys(localStorage).filter((key) => key.startsWith("querist/outbox/"))
  .map((key) => JSON.parse(localStorage[key]))
"""


def label(page: Page, n: int) -> list[str]:
    """n labels by key; the texts they were given to."""
    texts = []
    for number in range(n):
        texts.append(page.locator("#item").inner_text())
        page.keyboard.press("12"[number % 2])
    return texts


def test_a_server_killed_in_the_middle_gets_the_answers_when_it_is_back(site: Any, visit: Visit) -> None:
    visitor = visit(site)
    page = visitor.open()
    label(page, 5)
    site.kill()
    label(page, 10)
    expect(page.locator("#banner")).to_contain_text("The server does not answer")
    expect(page.locator("#saved")).to_contain_text("kept here")
    site.start()
    expect(page.locator("#saved")).to_have_text("All saved")
    expect(page.locator("#banner")).to_be_hidden()
    label(page, 5)
    answers = site.wait_for(20)
    assert len({a.item for a in answers}) == 20
    page.wait_for_function(f"() => ({KEPT})().length === 0")


def test_when_the_items_run_out_offline_the_page_says_so_and_goes_on_later(site: Any, visit: Visit) -> None:
    page = visit(site).open()
    site.kill()
    for _ in range(30):
        page.keyboard.press("1")
    expect(page.locator("#item")).to_contain_text("as soon as the server answers")
    kept = page.evaluate(KEPT)
    assert len(kept) == 20
    site.start()
    expect(page.locator("#item .text")).to_be_visible(timeout=30_000)
    assert len({a.item for a in site.wait_for(20)}) == 20


def test_a_response_lost_after_the_commit_makes_no_second_answer(site: Any, visit: Visit) -> None:
    page = visit(site).open()
    dropped = []

    def drop_once(route: Route) -> None:
        if dropped:
            route.continue_()
        else:
            dropped.append(route.fetch().status)
            route.abort()

    page.route("**/api/v1/annotations", drop_once)
    label(page, 3)
    expect(page.locator("#saved")).to_have_text("All saved")
    assert dropped == [200]
    assert len({a.item for a in site.wait_for(3)}) == 3


def test_a_tab_closed_offline_sends_its_answers_when_the_page_is_opened_again(site: Any, visit: Visit) -> None:
    visitor = visit(site)
    page = visitor.open()
    site.kill()
    label(page, 4)
    page.close()
    site.start()
    page = visitor.open()
    answers = site.wait_for(4)
    assert [a.label for a in answers] == ["pos", "neg", "pos", "neg"]
    expect(page.locator("#saved")).to_have_text("All saved", timeout=20_000)


def test_two_tabs_show_different_items_and_lose_nothing(site: Any, visit: Visit) -> None:
    visitor = visit(site)
    one, two = visitor.open(), visitor.open()
    texts: list[str] = []
    for _ in range(6):
        texts += label(one, 2) + label(two, 2)
    assert len(set(texts)) == 24
    assert len({a.item for a in site.wait_for(24)}) == 24
    for page in (one, two):
        expect(page.locator("#saved")).to_have_text("All saved")


def test_a_duplicated_tab_holds_items_of_its_own(site: Any, visit: Visit) -> None:
    visitor = visit(site)
    one = visitor.open()
    copied = one.evaluate("({ ...sessionStorage })")
    two = visitor.context.new_page()
    two.add_init_script(f"Object.assign(sessionStorage, {copied!r})")
    two.goto(site.url)
    expect(two.locator("#item .text")).to_be_visible()
    assert not set(label(one, 3)) & set(label(two, 3))
    assert len({a.item for a in site.wait_for(6)}) == 6


def test_two_people_at_once_for_200_items_never_see_the_same_item(site: Any, visit: Visit) -> None:
    ada, ben = visit(site, "ada").open(), visit(site, "ben").open()
    texts: list[str] = []
    while len(texts) < 200:
        for page in (ada, ben):
            if page.locator("#item .text").is_visible():
                texts += label(page, 1)
    assert len(set(texts)) == 200
    answers = site.wait_for(200)
    assert len({a.item for a in answers}) == 200
    assert {a.annotator for a in answers} == {"ada", "ben"}


def test_signed_out_the_answers_are_kept_and_sent_after_signing_in(site: Any, visit: Visit) -> None:
    visitor = visit(site)
    page = visitor.open()
    visitor.context.clear_cookies()
    label(page, 3)
    expect(page.locator("#banner")).to_contain_text("Signed out. Your 3 answers are kept")
    expect(page.locator("#banner-link")).to_have_attribute("href", "/sign-in")
    assert not site.answers()
    visitor.sign_in(session="2")  # in another tab; this page still has the CSRF value of the old session
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(page.locator("#saved")).to_have_text("All saved")
    expect(page.locator("#banner")).to_be_hidden()
    site.wait_for(3)


def test_an_idle_page_says_that_the_session_has_ended(site: Any, visit: Visit, answer_all: Callable[..., None]) -> None:
    answer_all(site.project, lambda text: "pos")
    visitor = visit(site)
    page = visitor.open(ready=False)
    expect(page.locator("#item")).to_contain_text("Nothing to label")
    visitor.context.clear_cookies()
    expect(page.locator("#banner")).to_contain_text("Signed out. Sign in to go on.")


def test_the_answers_of_one_person_are_never_sent_as_those_of_another(site: Any, visit: Visit) -> None:
    visitor = visit(site)
    page = visitor.open()
    visitor.context.clear_cookies()
    label(page, 2)
    visitor.sign_in("ben", session="2")
    page.evaluate("dispatchEvent(new Event('focus'))")
    other = visitor.open()
    label(other, 1)
    answers = site.wait_for(1)
    time.sleep(1)
    assert [a.annotator for a in site.answers()] == ["ben"] == [a.annotator for a in answers]
    assert len(page.evaluate(KEPT)) == 2


def test_a_full_storage_is_said_and_no_answer_is_taken(site: Any, visit: Visit) -> None:
    page = visit(site).open()
    page.evaluate(
        "() => { Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') } }"
    )
    before = page.locator("#item").inner_text()
    page.keyboard.press("1")
    assert page.locator("#item").inner_text() == before
    expect(page.locator("#banner")).to_contain_text("storage is full")
    assert not site.answers()


def test_a_refused_answer_is_shown_and_kept_until_somebody_decides(site: Any, visit: Visit) -> None:
    page = visit(site).open()

    def refuse(route: Route) -> None:
        sent = route.request.post_data_json["annotations"]
        results = [{"id": a["id"], "status": "refused", "why": "no such <b>label</b>"} for a in sent]
        route.fulfill(json={"results": results})

    page.route("**/api/v1/annotations", refuse)
    label(page, 2)
    expect(page.locator("#banner")).to_contain_text("2 answers were refused")
    page.unroute("**/api/v1/annotations")
    page.reload()
    page.locator("#banner-button").click()
    expect(page.locator("#refused-list")).to_contain_text("no such <b>label</b>")
    page.get_by_role("button", name="Send again").first.click()
    page.get_by_role("button", name="Discard").click()
    expect(page.locator("#refused-box")).to_be_hidden()
    assert [a.label for a in site.wait_for(1)] == ["pos"]
    page.wait_for_function(f"() => ({KEPT})().length === 0")


def test_one_unacceptable_answer_does_not_stop_the_others(site: Any, visit: Visit) -> None:
    page = visit(site).open()
    site.kill()
    label(page, 5)
    page.evaluate(
        """() => {
          const key = Object.keys(localStorage).find((name) => name.startsWith("querist/outbox/"));
          const entry = JSON.parse(localStorage[key]);
          entry.annotation.item = "x".repeat(2000); // more than the server reads
          localStorage[key] = JSON.stringify(entry);
        }"""
    )
    page.close()
    site.start()
    page = visit(site, storage_state=page.context.storage_state()).open()
    expect(page.locator("#banner")).to_contain_text("1 answers were refused", timeout=30_000)
    site.wait_for(4)


def test_leaving_gives_the_items_back_at_once(site: Any, visit: Visit) -> None:
    page = visit(site, "ada").open()
    first = page.locator("#item").inner_text()
    page.close(run_before_unload=True)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        other = visit(site, "ben").open()
        if other.locator("#item").inner_text() == first:
            return
        other.close()
        time.sleep(0.2)
    raise AssertionError("the item is still held")


def test_answers_come_from_a_plain_http_page_under_a_name(site: Any, visit: Visit) -> None:
    page = visit(site).open()
    page.add_init_script("delete Crypto.prototype.randomUUID")  # absent outside secure contexts
    page.reload()
    expect(page.locator("#item .text")).to_be_visible()
    label(page, 2)
    assert len({a.id for a in site.wait_for(2)}) == 2


def test_leases_are_kept_by_work_and_asked_for_again_after_a_pause(
    two_labels: Any, tmp_path: Any, serve: Callable[..., Any], visit: Visit, copy_of: Callable[..., Any]
) -> None:
    site = serve(copy_of(two_labels, tmp_path / "p", labeling="lease_minutes = 0.05"))  # 3 seconds
    page = visit(site, "ada").open()
    texts = label(page, 2)
    page.wait_for_timeout(4_000)
    other = visit(site, "ben").open()
    texts += label(other, 4)  # what ada held
    with page.expect_response("**/tasks/lease"):
        page.mouse.move(5, 5)
    page.wait_for_timeout(300)
    page.keyboard.press("1")  # the one in view may be answered late
    texts += label(page, 3)
    answers = site.wait_for(10)
    assert len(texts) == len(set(texts)) == 9
    assert len({a.item for a in answers}) >= 9
