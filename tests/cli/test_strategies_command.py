"""`querist strategies`: what a user reads before choosing."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from querist import plugins
from querist.cli import cli
from querist.core.errors import UnknownName
from querist.stages.query_strategy.ask import NEEDS
from querist.stages.query_strategy.describe import LINES, about, about_all, first_sentence, literal, split

BUILT_IN = list(plugins.BUILT_IN["strategies"])


def run(*arguments: str) -> str:
    found = CliRunner().invoke(cli, ["strategies", *arguments], catch_exceptions=False)
    assert found.exit_code == 0
    return found.output


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_strategy_says_its_source_cost_memory_and_when(name: str) -> None:
    one = about(name)
    assert list(one.lines) == list(LINES)
    assert all(one.lines.values())
    assert one.sentence.endswith(".")
    assert set(one.needs) <= set(NEEDS)


def test_the_list_has_every_strategy_with_its_sentence_needs_and_cost() -> None:
    out = " ".join(run().split())
    for name in BUILT_IN:
        one = about(name)
        assert f"{name} {one.sentence} needs {', '.join(one.needs) or 'nothing'}; cost {one.lines['Cost']}" in out


def test_a_name_gives_the_whole_docstring_and_the_settings_with_their_defaults() -> None:
    out = run("kmeans")
    assert about("kmeans").text in out
    assert "clusters = unset" in out
    assert 'candidates = "auto"' in out
    assert "Needs: embeddings, scores." in out
    assert "Settings (query.params): of = {uncertainty = 0.9, random = 0.1}." in run("mixture")
    assert "Settings (query.params): none." in run("random")


def test_json_has_the_same() -> None:
    listed = json.loads(run("--json"))
    assert {one["name"] for one in listed} >= set(BUILT_IN)
    one = json.loads(run("mixture", "--json"))
    assert one in listed
    assert one["settings"] == {"of": {"uncertainty": 0.9, "random": 0.1}}
    assert one["cost"] == "the sum of its parts'."
    assert json.loads(run("quire", "--json"))["small_pools"]


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(UnknownName, match=r"Did you mean 'kmeans'.*random.*uncertainty") as error:
        CliRunner().invoke(cli, ["strategies", "kmeens"], catch_exceptions=False)
    assert error.value.exit_status == 2


def test_an_import_path_is_described_like_a_name() -> None:
    assert "Draws the batch evenly" in run("querist.stages.query_strategy.random:Random")


@pytest.mark.usefixtures("broken")
def test_a_package_that_cannot_be_loaded_says_why_and_hides_no_other() -> None:
    found = {one.name: one.sentence for one in about_all()}
    assert "querist_broken_absent" in found["no-module"]
    assert found["random"] == "Draws the batch evenly from the pool."
    assert "querist-broken" in run()


@pytest.fixture
def broken(tmp_path, monkeypatch):
    there = tmp_path / "querist_broken-2.1.dist-info"
    there.mkdir()
    (there / "METADATA").write_text("Metadata-Version: 2.1\nName: querist-broken\nVersion: 2.1\n")
    (there / "entry_points.txt").write_text("[querist.strategies]\nno-module = querist_broken_absent:Ask\n")
    monkeypatch.syspath_prepend(tmp_path)


def test_a_docstring_is_split_at_its_lines() -> None:
    text, lines = split("Asks. More.\n\nSource: A,\n    2001.\nCost: O(n).\nMemory: none.\nWhen: never.")
    assert text == "Asks. More."
    assert lines == {"Source": "A, 2001.", "Cost": "O(n).", "Memory": "none.", "When": "never."}
    assert first_sentence(text) == "Asks."
    assert split("Nothing more.") == ("Nothing more.", {})


def test_values_are_written_as_toml_does() -> None:
    assert literal({"a": [1, True, "x"], "b": None}) == '{a = [1, true, "x"], b = unset}'
