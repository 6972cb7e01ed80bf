"""A page without items says what is going on, and starts by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from querist.pipeline.project import Project

pytestmark = pytest.mark.long
Visit = Callable[..., Any]

WORDS = """
async ([state, waiting, startsItself]) => {
  const { speaker, byId } = await import("/static/say.js");
  const { whyEmpty } = await import("/static/empty.js");
  const say = speaker(JSON.parse(byId("setup").textContent).texts);
  const nothing = { state: "labeling", seconds: 0, step: "", over: "", in_other_tabs: 0, with_others: 0 };
  return whyEmpty(say, { state, waiting: waiting && { ...nothing, ...waiting }, startsItself }).join(" | ");
}
"""
STEPS = (
    "seed_set", "human_labeling", "initial_model", "retraining", "evaluation", "uncertainty_scoring", "query_strategy",
)  # fmt: skip


def test_each_reason_is_said_in_words(site: Any, visit: Visit) -> None:
    page = visit(site).open()

    def said(waiting: dict[str, object] | None, *, state: str = "empty", itself: bool = True) -> str:
        return str(page.evaluate(WORDS, [state, waiting, itself]))

    assert said(None, state="loading").startswith("Loading")
    assert "as soon as the server answers" in said(None, state="offline")
    assert "Items that wait for other people: 3. The next round opens when" in said({"with_others": 3})
    assert "a lead opens the next round" in said({"with_others": 3}, itself=False)
    assert "other tabs of yours: 2" in said({"in_other_tabs": 2, "with_others": 3})
    assert "training, for 2 min now" in said({"state": "training", "seconds": 119, "step": "retraining"})
    for step in STEPS:
        assert "training, for 7 s now: the " in said({"state": "training", "seconds": 7, "step": step})
    assert "opens in a moment" in said({"state": "complete"})
    assert "when a lead starts it" in said({"state": "complete"}, itself=False)
    assert "could not be made" in said({"state": "failed"})
    for over in ("goal", "budget_labels", "budget_money", "budget_hours", "deadline", "pool"):
        words = said({"state": "over", "over": over})
        assert words.startswith("All done")
        assert "come by themselves" not in words


def test_a_page_starts_by_itself_when_items_come(
    two_labels: Path,
    tmp_path: Path,
    serve: Callable[[Project], Any],
    visit: Visit,
    copy_of: Callable[..., Project],
) -> None:
    site = serve(copy_of(two_labels, tmp_path / "p"))
    first, second = visit(site).open(), visit(site, "ben")
    first.evaluate(
        """() => { for (let i = 0; i < 8; i += 1) fetch("/api/v1/tasks/lease", {
          method: "POST", headers: { "Content-Type": "application/json",
          "X-CSRF-Token": document.querySelector('meta[name="csrf"]').content },
          body: JSON.stringify({ tab: `t${i}`, n: 100 }) }); }"""
    )
    first.wait_for_timeout(500)
    page = second.open(ready=False)
    expect(page.locator("#item")).to_contain_text(
        "Items that wait for other people: 200. When they are answered, a lead"
    )
    first.close()  # gives its own twenty back
    expect(page.locator("#item .text")).to_be_visible()
    assert second.complaints == []


def test_a_hidden_page_without_items_takes_none(site: Any, visit: Visit, answer_all: Callable[..., None]) -> None:
    answer_all(site.project, lambda text: "pos")
    page = visit(site).open(ready=False)
    expect(page.locator("#item")).to_contain_text("Nothing to label right now")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    page.wait_for_timeout(6_000)  # the turn that was set before, and no other
    assert len(asked) <= 1
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(500)
    assert asked[-1].endswith("/tasks/lease")


def test_the_end_of_the_loop_shows(
    two_labels: Path,
    tmp_path: Path,
    serve: Callable[[Project], Any],
    visit: Visit,
    copy_of: Callable[..., Project],
    answer_all: Callable[..., None],
) -> None:
    project = copy_of(two_labels, tmp_path / "p", objective="budget_labels = 200")
    answer_all(project, lambda text: "pos" if any(w in text for w in ("great", "superb", "lovely", "warm")) else "neg")
    assert project.run().status == "stopped"
    page = visit(serve(project)).open(ready=False)
    expect(page.locator("#item")).to_contain_text("All done")
    expect(page.locator("#item")).to_contain_text("As many items as planned have been asked")
