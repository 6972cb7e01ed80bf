"""Texts of the record stay text in Markdown."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape

from hypothesis import example, given
from hypothesis import strategies as st

from querist.stages.reporting.markdown import Address, facts, table, text
from querist.stages.reporting.words import one_line

Rendered = Callable[[str], str]


@given(st.text(st.characters(codec="utf-8"), max_size=40))
@example("<script>alert(1)</script>")
@example("[a](javascript:b) ![c](d) **e** __f__ _g_ ~~h~~ `i` &lt; \\|")
@example("# a\n- b\n1. c\n| d |")
@example("12) a")
@example("a\\")
def test_any_text_is_shown_as_one_line_of_itself(rendered: Rendered, given_text: str) -> None:
    line = text(given_text)
    assert "\n" not in line
    html = rendered(f"x {line}").strip()
    assert html.startswith("<p>x")
    assert unescape(html[3:-4]).split() == ["x", *plain(given_text)]


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=20), min_size=1, max_size=4))
def test_any_text_stays_in_its_cell(rendered: Rendered, cells: list[str]) -> None:
    html = rendered(table(["n", *map(str, range(len(cells)))], [[1, *cells]]))
    assert html.count("<td") == len(cells) + 1
    assert html.count("<table") == 1
    assert html.count("<a") + html.count("<img") + html.count("<script") == 0


@given(st.sampled_from(["#", "-", "+", "=", "1.", "99)", ">", "***", "    x", "```"]), st.text("ab ", max_size=5))
def test_a_text_that_begins_like_a_block_is_a_paragraph(rendered: Rendered, start: str, rest: str) -> None:
    html = rendered(text(f"{start} {rest}")).strip()
    assert html.startswith("<p>")
    assert unescape(html[3:-4]).split() == f"{start} {rest}".split()


def plain(given_text: str) -> list[str]:
    """The words of a text without the marks that turn the direction of writing and without control characters."""
    line = text(given_text)
    return "".join(c for at, c in enumerate(line) if not escapes(line, at)).split()


def escapes(line: str, at: int) -> bool:
    """Whether the character is a backslash before another character that it protects."""
    run = len(line[: at + 1]) - len(line[: at + 1].rstrip("\\"))
    return line[at] == "\\" and run % 2 == 1 and at + 1 < len(line)


def test_marks_that_turn_the_direction_of_writing_are_left_out() -> None:
    assert text("a\u202eb\u2066c\u200f") == "abc"
    assert text("a\x00b\x1b[31m") == r"ab\[31m"
    assert one_line(" a\u202e\x9bb\n\u200fc\x07\t\x85d [x] ") == "ab c d [x]"


def test_a_number_is_not_taken_for_a_list() -> None:
    assert text("1.5 (1.2 to 1.8)") == "1.5 (1.2 to 1.8)"
    assert text("1. first") == r"1\. first"


def test_an_address_is_no_link() -> None:
    assert text("http://x.org www.x.org") == r"http\://x.org www\.x.org"


def test_an_address_that_is_meant_as_one_can_be_followed_and_what_is_none_is_text() -> None:
    run = "http://airflow:8080/dags/a_b/runs/manual__2026-01-01T00:00:00+00:00?try_number=1&x=%7C"
    assert text(Address(run)) == f"<{run}>"
    assert table(["where"], [(Address(run),)]).endswith(f"| <{run}> |")
    for other in ("javascript:alert(1)", "https://a b", "https://a|b", "https://a><b", "https://", "https://a\nb"):
        assert text(Address(other)) == text(other)


def test_numbers_stand_to_the_right_and_names_to_the_left() -> None:
    assert table(["who", "n"], [("Ann", 1200), ("Bob", None)]).splitlines() == [
        "| who | n |",
        "| --- | ---: |",
        "| Ann | 1,200 |",
        "| Bob |  |",
    ]


def test_facts_that_are_not_known_are_left_out() -> None:
    assert facts({"Owner": "", "Labels": 1000, "Goal": None}) == "- Labels: 1,000"
