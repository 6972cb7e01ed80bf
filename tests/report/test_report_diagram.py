"""The flowchart of a project, as Mermaid takes it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_findings import HOSTILE, sample_findings

from querist.stages.reporting.diagram import DARK, LONGEST, darker, draw, escape, in_words, mermaid


def test_the_source_holds_the_nine_stages_the_loop_and_where_it_is() -> None:
    source = mermaid(sample_findings()["stages"])
    assert source.count("[") - source.count('subgraph before [" "]') - source.count("subgraph loop [") == 9
    assert "uncertainty_scoring --> query_strategy --> human_labeling --> retraining --> evaluation" in source
    assert "class human_labeling now" in source


@given(st.text(max_size=200))
def test_no_text_holds_anything_that_mermaid_would_read(text: str) -> None:
    made = escape(text)
    assert not re.search(r"[\"`<>\[\](){}|\\&%;\n\r]", re.sub(r"#\d+;", "", made))
    assert len(re.sub(r"#\d+;", "x", made)) <= LONGEST


def test_the_words_say_where_the_loop_is() -> None:
    assert "Human labeling: 20 items wait, clothes (the loop is here)" in in_words(sample_findings()["stages"])


def test_the_real_mermaid_draws_hostile_texts_as_texts() -> None:
    pytest.importorskip("mermaidx", reason="the extra report is not installed")
    svg = draw(mermaid(sample_findings(text=HOSTILE)["stages"])).svg()
    assert "<script" not in svg
    assert "alert" in svg
    assert "Human labeling" in svg
    assert all(dark not in svg for dark in DARK.values())
    assert all(light not in darker(svg) for light in DARK)
