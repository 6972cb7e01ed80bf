"""The report as HTML and Markdown: what each reader sees, and that texts stay texts."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from report_findings import HOSTILE, sample_findings

from querist.pipeline.reporting import conclusions
from querist.stages import reporting
from querist.stages.reporting.audiences import AUDIENCES, SECTIONS
from querist.stages.reporting.bullets import bullets
from querist.stages.reporting.html import html, policy
from querist.stages.reporting.linked import in_pieces, linked, proof
from querist.stages.reporting.report_markdown import report_markdown

for extra in ("altair", "vl_convert", "jinja2", "mermaidx", "pptx"):
    pytest.importorskip(extra, reason="the extra report is not installed")


class Reader(HTMLParser):
    """What a page holds: its elements, the ids and where its links lead, and its words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words += data

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name and value is not None]


@pytest.fixture(scope="module")
def page() -> str:
    return html(sample_findings(), audience="engineer")


def test_the_first_sentence_is_the_result_and_each_of_its_figures_leads_to_a_row(page: str) -> None:
    start = page[page.index('class="result"') : page.index("</p>", page.index('class="result"'))]
    figures = re.findall(r'<a href="#([^"]+)">([^<]+)</a>', start)
    assert [text for _, text in figures] == [
        "0.71", "0.84", "1,200", "3,150", "2,700", "3,800", "62%", "156", "11",
    ]  # fmt: skip
    ids = Reader(page).all("id")
    assert all(anchor in ids for anchor, _ in figures)
    assert "querist rounds show 4" in page


def test_all_links_lead_somewhere_and_no_id_is_there_twice(page: str) -> None:
    read = Reader(page)
    ids = read.all("id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in read.all("href")} <= set(ids)


def test_a_line_of_the_checklist_leads_to_its_proof_where_the_page_shows_it(page: str) -> None:
    lines = page[page.index('id="checklist"') :]
    assert '<a href="#round-0"><code>querist rounds show 0</code></a>' in lines
    assert "<code>querist verify</code></td>" in lines
    assert "| querist rounds show 0 |" in report_markdown(sample_findings(), audience="lead")
    assert proof("querist diagnostics", SECTIONS["lead"]) is None
    assert proof("querist diagnostics", SECTIONS["engineer"]) == "diagnostics"


def test_a_goal_that_the_forecast_does_not_reach_is_a_risk() -> None:
    found = sample_findings()
    needs = found["savings"]["forecast"]["labels_to_goal"]
    for value, budget, told in ((None, None, True), (900.0, 2_000, True), (700.0, 2_000, False), (900.0, None, False)):
        needs["value"], found["objective"]["budget_labels"] = value, budget
        assert ("forecast" in [risk["kind"] for risk in conclusions.risks(found)]) is told


def test_the_page_says_plainly_that_active_learning_does_not_save_labels() -> None:
    page = html(sample_findings(kind="lost"), audience="executive")
    assert page.index("Active learning does not save labels here") < page.index("<main")
    assert "more labels" in page


def test_the_page_needs_no_network_and_little_room_and_only_its_own_script(page: str) -> None:
    read = Reader(page)
    own = (Path(reporting.__file__).parent / "templates" / "report.js").read_text(encoding="utf-8")
    assert re.findall("<script[^>]*>(.*?)</script>", page, re.DOTALL) == [own]
    assert b64encode(sha256(own.encode()).digest()).decode() in policy()
    assert not [link for link in [*read.all("src"), *read.all("href")] if link.startswith(("http", "//"))]
    assert not [name for name, _ in read.attributes if name.startswith("on") or name == "style"]
    assert len(page.encode()) < 3_000_000
    assert "default-src 'none'" in page


def test_hostile_texts_stay_texts() -> None:
    page = html(sample_findings(text=HOSTILE), audience="engineer")
    read = Reader(page)
    assert read.tags.count("script") == 1
    assert "alert(1)" in read.words
    assert "{{7*7}}" in read.words
    assert "\x07" not in page
    assert not [link for link in read.all("href") if link.startswith("javascript")]


def test_headings_go_down_one_level_at_a_time(page: str) -> None:
    levels = [int(tag[1]) for tag in Reader(page).tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_chart_has_a_title_and_says_its_figures_in_words(page: str) -> None:
    drawn = re.findall(r"<svg[^>]*role=\"img\"[^>]*aria-labelledby=\"([^\"]+)\"", page)
    assert len(drawn) >= 8
    ids = Reader(page).all("id")
    assert all(name in ids for names in drawn for name in names.split())
    assert "macro-F1 went from 0.710 (0.690 to 0.730) at 300 labels to 0.840" in page


@pytest.mark.parametrize("audience", AUDIENCES)
def test_each_reader_sees_their_sections(audience: Any) -> None:
    ids = Reader(html(sample_findings(), audience=audience)).all("id")
    every = set(SECTIONS["engineer"])
    assert set(ids) & every == set(SECTIONS[audience])


def test_many_rounds_are_folded_but_the_first_and_the_newest_are_in_sight() -> None:
    page = html(sample_findings(rounds=1_000), audience="lead")
    table = page[page.index('id="batches"') : page.index("<details", page.index('id="batches"'))]
    assert 'id="round-0"' in table
    assert 'id="round-999"' in table
    assert 'id="round-500"' not in table
    assert 'id="round-500"' in page
    assert len(page.encode()) < 3_000_000


def test_markdown_holds_the_result_and_the_flowchart() -> None:
    text = report_markdown(sample_findings(), audience="lead")
    assert text.startswith("# clothes\n\n**Macro-F1 0.71 → 0.84 with 1,200 labels")
    assert "```mermaid\nflowchart TB" in text


def test_markdown_keeps_hostile_texts_as_texts() -> None:
    markdown = pytest.importorskip("markdown_it", reason="the extra web is not installed")
    text = report_markdown(sample_findings(text=HOSTILE), audience="engineer")
    made = Reader(markdown.MarkdownIt("commonmark", {"html": True}).enable("table").render(text))
    assert "script" not in made.tags
    assert "a" not in made.tags
    assert "alert(1)" in made.words


def test_a_command_in_a_sentence_is_told_from_its_words() -> None:
    assert [tuple(p) for p in in_pieces("cannot tell; run `querist baseline`")] == [
        ("Cannot tell; run ", None, False), ("querist baseline", None, True), (".", None, False),
    ]  # fmt: skip


def test_a_rounded_figure_finds_its_row_and_an_unknown_one_the_table() -> None:
    evidence = [{"what": "accuracy now, with 1,300 labels", "value": "0.843 (0.801 to 0.860)"}]
    found = {p.text: p.anchor for p in linked("0.84 of macro-F1 with 1,300 labels in 7 hours", evidence) if p.anchor}
    assert found == {"0.84": "evidence-0", "1,300": "evidence-0", "7": "evidence"}


def test_the_paragraph_is_one_line_without_marks_that_turn_the_direction_of_writing() -> None:
    said = bullets({**sample_findings(), "project": f"{HOSTILE}\u200f\n\x9b31mred"})
    assert said.isprintable()
    assert "gnp.exe" in said


def test_the_paragraph_claims_what_the_record_shows_and_no_more() -> None:
    said = bullets(sample_findings())
    assert "macro-F1 0.710 → 0.840 (95% interval 0.820 to 0.860) with 1,200 labels" in said
    assert "3,150 (2,700 to 3,800): 62% fewer labels, EUR 156 saved, 11 hours of people's time saved" in said
    assert "Random sampling would have needed fewer labels." in bullets(sample_findings(kind="lost"))
    noise = bullets(sample_findings(kind="no_difference"))
    assert "No difference from random sampling could be told from noise." in noise
