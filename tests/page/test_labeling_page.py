"""One key, one decision, the next item: what an annotator sees and does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.long
Visit = Callable[..., Any]

MEASURE = """
() => {
  window.times = [];
  addEventListener("keydown", (event) => {
    const before = document.querySelector("#item").textContent;
    requestAnimationFrame(() => {
      const channel = new MessageChannel(); // its message arrives once the frame is painted
      channel.port1.onmessage = () => {
        const changed = document.querySelector("#item").textContent !== before;
        window.times.push(changed ? performance.now() - event.timeStamp : Infinity);
      };
      channel.port2.postMessage(null);
    });
  }, { capture: true });
}
"""


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def text_of(page: Page) -> str:
    return page.locator("#item").inner_text()


def test_a_hundred_labels_by_key_each_shown_within_50_ms_of_the_key_before(site: Any, visit: Visit) -> None:
    page = visit(site).open()
    page.evaluate(MEASURE)
    for number in range(100):
        press(page, "12"[number % 2])
        page.wait_for_function("(n) => window.times.length === n", arg=number + 1)
    times = page.evaluate("window.times")
    print(f"\nkey to next frame: median {median(times):.1f} ms, longest {max(times):.1f} ms")
    assert median(times) < 50
    answers = site.wait_for(100)
    assert len({a.item for a in answers}) == 100
    assert {a.label for a in answers} == {"pos", "neg"}
    assert all(a.seconds is not None and 0 <= a.seconds < 60 for a in answers)
    expect(page.locator("#saved")).to_have_text("All saved")
    expect(page.locator("#round-text")).to_have_text("Round 0: 100 of 200")
    expect(page.locator("#counts")).to_have_text("100 today · 100 in all")


def test_a_key_held_down_is_one_decision(site: Any, visit: Visit) -> None:
    page = visit(site).open()
    for _ in range(5):
        page.keyboard.down("1")  # without a release in between the browser counts repeats
    page.keyboard.up("1")
    expect(page.locator("#saved")).to_have_text("All saved")
    site.wait_for(1)


def test_undo_goes_back_several_steps_and_stays_on_record(site: Any, visit: Visit) -> None:
    page = visit(site).open()
    first = text_of(page)
    press(page, "1")
    second = text_of(page)
    press(page, "1", "2", "u", "Backspace")
    assert text_of(page) == second
    press(page, "u")
    assert text_of(page) == first
    expect(page.locator("#undo")).to_be_disabled()
    press(page, "2")
    assert text_of(page) == second
    answers = site.wait_for(7)
    assert [a.kind for a in answers] == ["answer"] * 3 + ["undo"] * 3 + ["answer"]
    assert [a.supersedes for a in answers[3:6]] == [a.id for a in answers[2::-1]]
    assert (answers[6].item, answers[6].label) == (answers[0].item, "neg")
    expect(page.locator("#round-text")).to_have_text("Round 0: 1 of 200")


def test_undo_works_across_a_reload(site: Any, visit: Visit) -> None:
    page = visit(site).open()
    first = text_of(page)
    press(page, "1", "2")
    site.wait_for(2)
    page.reload()
    expect(page.locator("#item .text")).to_be_visible()
    press(page, "u", "u")
    assert text_of(page) == first
    answers = site.wait_for(4)
    assert [a.kind for a in answers] == ["answer", "answer", "undo", "undo"]


def test_skip_with_a_reason_unsure_flag_and_note_are_stored(site: Any, visit: Visit) -> None:
    page = visit(site).open()
    press(page, "s", "2")
    press(page, "d")
    press(page, "f")
    expect(page.locator('[data-command="flag"]')).to_have_attribute("aria-pressed", "true")
    press(page, "n")
    page.keyboard.type("irony, <b>perhaps</b>")
    press(page, "Enter")
    expect(page.locator('[data-command="note"]')).to_contain_text("Note written")
    press(page, "1")
    expect(page.locator('[data-command="flag"]')).to_have_attribute("aria-pressed", "false")
    skipped, unsure, flagged = site.wait_for(3)
    assert (skipped.label, skipped.details["reason"]) == (None, "several")
    assert (unsure.label, unsure.details["reason"]) == (None, "unsure")
    assert (flagged.label, flagged.details["flag"], flagged.note) == ("pos", True, "irony, <b>perhaps</b>")


def test_skipping_can_be_thought_better_of(site: Any, visit: Visit) -> None:
    page = visit(site).open()
    first = text_of(page)
    press(page, "s", "Escape")
    assert text_of(page) == first
    press(page, "1")
    assert [a.label for a in site.wait_for(1)] == ["pos"]


def test_a_key_that_comes_before_the_closed_dialog_has_lost_the_focus_is_a_label(site: Any, visit: Visit) -> None:
    page = visit(site).open()
    page.evaluate(
        """() => {
          const press = (at, key) =>
            at.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
          press(document.body, "s");
          const reason = document.querySelector("#skip-reasons button");
          for (const key of ["Escape", "1"]) press(reason, key);
        }"""
    )
    assert [a.label for a in site.wait_for(1)] == ["pos"]


def test_help_lists_the_keys(site: Any, visit: Visit) -> None:
    page = visit(site).open()
    press(page, "?")
    expect(page.locator("#help-keys")).to_contain_text("Give a label and go on")
    press(page, "1", "Escape")  # a key under the dialog decides nothing
    expect(page.locator("#help-box")).to_be_hidden()
    assert not site.answers()


def test_the_end_of_the_queue_says_so(site: Any, visit: Visit, answer_all: Callable[..., None]) -> None:
    answer_all(site.project, lambda text: "pos")
    page = visit(site).open(ready=False)
    expect(page.locator("#item")).to_contain_text("Nothing to label right now")
    press(page, "1", "s", "d")
    assert not site.answers()


def test_labels_have_the_keys_of_the_settings_even_those_of_commands(
    two_labels: Path, tmp_path: Path, serve: Callable[..., Any], visit: Visit, copy_of: Callable[..., Any]
) -> None:
    site = serve(copy_of(two_labels, tmp_path / "p", labeling='keys = {neg = "u"}'))
    page = visit(site).open()
    press(page, "u", "1")
    assert [a.label for a in site.wait_for(2)] == ["neg", "pos"]
    press(page, "Alt+u")
    assert site.wait_for(3)[-1].kind == "undo"


def test_what_the_model_thinks_shows_when_the_project_says(
    with_model: Path, tmp_path: Path, serve: Callable[..., Any], visit: Visit, copy_of: Callable[..., Any]
) -> None:
    for shown, before, after in (("before", True, False), ("after", False, True), ("never", False, False)):
        site = serve(copy_of(with_model, tmp_path / shown, labeling=f'show_prediction = "{shown}"'))
        page = visit(site).open()
        assert page.locator("#hint").is_visible() == before
        if before:
            expect(page.locator("#hint")).to_contain_text("The model")
            expect(page.locator("#hint")).to_contain_text("%")
            expect(page.locator("#hint")).to_contain_text("Why this item")
        press(page, "1")
        assert ("The model says" in page.locator("#last").inner_text()) == after
        assert site.wait_for(1)[0].details["shown"] == shown


def test_the_page_speaks_german(
    two_labels: Path, tmp_path: Path, serve: Callable[..., Any], visit: Visit, copy_of: Callable[..., Any]
) -> None:
    page = visit(serve(copy_of(two_labels, tmp_path / "p", labeling='language = "de"'))).open()
    expect(page.locator("#round-text")).to_have_text("Runde 0: 0 von 200")
    assert page.locator("html").get_attribute("lang") == "de"


def test_seconds_leave_out_the_pauses(
    two_labels: Path, tmp_path: Path, serve: Callable[..., Any], visit: Visit, copy_of: Callable[..., Any]
) -> None:
    site = serve(copy_of(two_labels, tmp_path / "p", labeling="idle_seconds = 0.3"))
    page = visit(site).open()
    page.wait_for_timeout(1_500)
    press(page, "1")
    (answer,) = site.wait_for(1)
    assert 0.25 <= answer.seconds <= 0.35


def test_the_stopwatch_counts_work_and_neither_pauses_nor_hidden_time(site: Any, visit: Visit) -> None:
    page = visit(site).open()
    seconds = page.evaluate(
        """async () => {
          const { Stopwatch } = await import("/static/timing.js");
          const watch = new Stopwatch(10);
          watch.start(0);
          watch.touch(4_000);    // 4 s of work
          watch.touch(60_000);   // a pause counts as 10 s
          watch.hide(61_000);    // 1 s
          watch.touch(90_000);
          watch.show(100_000);
          return watch.seconds(102_500); // 2.5 s
        }"""
    )
    assert seconds == 17.5


def test_dark_mode_follows_the_system_and_the_button(site: Any, visit: Visit) -> None:
    page = visit(site, color_scheme="dark").open()
    colour = "getComputedStyle(document.querySelector('.stage')).backgroundColor"
    dark = page.evaluate(colour)
    page.locator("#theme").click()
    light = page.evaluate(colour)
    assert (dark, light) == ("rgb(29, 34, 40)", "rgb(255, 255, 255)")
    page.reload()
    assert page.evaluate(colour) == light
