"""The page of strategies names what there is, and nothing that is not."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

import querist
from querist import plugins
from querist.config.loop import QuerySettings
from querist.plugins import BUILT_IN
from querist.stages.query_strategy.describe import about
from querist.stages.uncertainty_scoring import multilabel

PAGE = Path(__file__).parents[2] / "docs" / "strategies.md"
NAMES = {*BUILT_IN["strategies"], *BUILT_IN["measures"], *BUILT_IN["sample_measures"]}
OF_LABELS = {*multilabel.OF_LABELS, *multilabel.OF_ITEMS, *multilabel.OF_COUNTS}
OF_OTHERS = {"binary", "distance_to_boundary"}


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    text = PAGE.read_text(encoding="utf-8")
    below = re.split(r"^#+ ", text.partition(f"# {heading}\n")[2], flags=re.MULTILINE)[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in below.splitlines() if line[:1] == "|"][
        2:
    ]


def ticked(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def exists(name: str) -> bool:
    if name.startswith("query."):
        return name.removeprefix("query.") in QuerySettings.model_fields
    if name.startswith("querist.stages."):
        return bool(import_module(name).__doc__)
    if name.startswith("querist."):
        return hasattr(querist, name.removeprefix("querist."))
    setting = re.fullmatch(r"(\w+) ?= ?(.+)", name)
    if setting:
        known = {key for one in BUILT_IN["strategies"] for key in about(one).settings}
        return setting[1] in known | {"over"}
    return name.strip('"') in NAMES | OF_LABELS | OF_OTHERS | {"variance", "zero_one"}


def test_every_strategy_has_a_row() -> None:
    named = [ticked(row[0])[0] for row in rows("What querist has")]
    assert sorted(named) == sorted(BUILT_IN["strategies"])


@pytest.mark.parametrize("library", ["modAL", "ALiPy", "libact"])
def test_what_covers_a_method_of_another_library_exists(library: str) -> None:
    listed = rows(library)
    assert len(listed) > 15
    for _, ours in listed:
        names = ticked(ours)
        assert names or ours.startswith("left out: "), ours
        for name in names:
            assert exists(name), f"{name} in {ours}"


def test_a_method_that_is_left_out_says_why() -> None:
    for library in ("modAL", "ALiPy", "libact"):
        for theirs, ours in rows(library):
            if ours.startswith("left out"):
                assert len(ours) > len("left out: ") + 20, theirs


def test_every_query_function_of_modal_has_a_row() -> None:
    modal = pytest.importorskip("modAL", reason="modAL is not installed (extra test)")
    modules = ["uncertainty", "disagreement", "density", "batch", "multilabel", "dropout"]
    named = {name for row in rows("modAL") for name in ticked(row[0])}
    for module in modules:
        source = Path(modal.__path__[0], f"{module}.py").read_text(encoding="utf-8")
        for name in re.findall(r"^def (\w+)\((?:classifier|committee|regressor)[:,]", source, re.MULTILINE):
            measure = name.startswith("classifier_") or f"{name}_sampling" in named or name == "KL_max_disagreement"
            inner = name in {"ranked_batch", "get_predictions"}
            assert measure or inner or name in named, f"{module}.{name}"


def test_the_measures_and_opinions_of_the_page_are_all_there_are() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for group in ("measures", "sample_measures"):
        for name in plugins.BUILT_IN[group]:
            assert f"`{name}`" in text, name
