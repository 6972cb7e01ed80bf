"""A spreadsheet runs nothing that came from people or data."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.pipeline.exchange.label_files import quoted, unquoted
from querist.pipeline.project import Project

EVIL = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1+1", "＝1+1", "'=1", "''@x"]


@pytest.mark.parametrize("text", EVIL)
def test_a_formula_gets_a_quote_and_loses_it_again(text: str) -> None:
    assert quoted(text) == f"'{text}"
    assert unquoted(quoted(text)) == text


@pytest.mark.parametrize("text", ["-1", "+2.5", "-1e-3", "fine", "a=b", "", "it's", "'tis", None, -1, 2.5])
def test_numbers_and_plain_words_stay_as_they_are(text: object) -> None:
    assert quoted(text) == text


@given(st.text("'=+-@\t\r\n 1a＝"))
def test_every_text_comes_back_as_it_was(text: str) -> None:
    assert unquoted(quoted(text)) == text
    assert not str(quoted(text)).lstrip(" ").startswith(("=", "@"))


def test_notes_labels_and_names_are_quoted(
    waiting: Project, asked: list[str], say: Callable[..., str], tmp_path: Path
) -> None:
    settings = waiting.folder / "querist.toml"
    settings.write_text(settings.read_text().replace('"pos"]', '"pos", "=evil()"]'))
    say(asked[0], "=evil()", "@mallory", note="+1+1", details={"reason": "=x"})
    project = Project(waiting.folder)
    project.export_labels(tmp_path / "a.csv", answers=True)
    (row,) = csv.DictReader((tmp_path / "a.csv").open())
    assert (row["label"], row["annotator"], row["note"]) == ("'=evil()", "'@mallory", "'+1+1")
    assert row["resolved"] == "'=evil()"
    assert project.import_labels(tmp_path / "a.csv")["unchanged"] == 1
