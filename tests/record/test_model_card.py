"""The model card: from the record, for any version, with hostile texts as text."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from querist.cli import cli
from querist.core.errors import LedgerError, UnknownName
from querist.pipeline.project import Project
from querist.pipeline.reporting.model_card import model_card, write_model_card
from querist.stages.reporting.model_card import model_card_page

Change = Callable[[Path, str, str], None]
Clock = Callable[[], datetime]


def test_the_newest_model_is_described(run: Project) -> None:
    card = model_card(run)
    json.dumps(card, allow_nan=False)
    assert card["version"] == run.show_round(2)["models"][0]["version"]
    assert sum(card["data"]["labels"]["pool"].values()) == 40
    assert sum(card["data"]["labels"]["test"].values()) == card["evaluated"]["n"] == 80
    assert card["data"]["items"] == {"pool": 282, "validation": 38, "test": 80}
    assert card["metrics"]["accuracy"] == {
        k: v for k, v in run.show_round(2)["metrics"]["accuracy"].items() if k != "n_items"
    }
    recorded = run.show_round(2)["metrics"]
    for row in card["per_class"]:
        for metric in ("precision", "recall", "f1"):
            assert row[metric]["value"] == pytest.approx(recorded[f"{metric}:{row['class']}"]["value"])
            assert row[metric]["low"] <= row[metric]["value"] <= row[metric]["high"]
    assert card["seed"] == 7
    assert card["simulated"] == "label"


def test_an_earlier_version_has_a_card_too(run: Project) -> None:
    version = run.show_round(1)["models"][0]["version"]
    card = model_card(run, version)
    assert (card["version"], card["trained"]["round"], card["evaluated"]["round"]) == (version, 1, 1)
    assert sum(card["data"]["labels"]["pool"].values()) == 30
    assert card["per_class"]


def test_a_version_that_is_not_there_and_no_model_at_all_are_refused(run: Project, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="unknown model version 'r009'"):
        model_card(run, "r009")
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "querist.toml").write_text((run.folder / "querist.toml").read_text())
    with pytest.raises(LedgerError, match="there is no model yet"):
        model_card(Project(empty))


def test_the_page_says_what_for_from_what_how_good_and_how_to_repeat(
    run: Project, change: Change, clock: Clock, rendered: Callable[[str], str]
) -> None:
    hostile = "<img src=x onerror=alert(1)> | **big**"
    change(
        run.folder, 'metric = "accuracy"', f'metric = "accuracy"\ngoal = 0.9\nowner = "{hostile}"\nwhy = "{hostile}"'
    )
    page = write_model_card(Project(run.folder, clock=clock)).read_text()
    assert page.startswith("# Model r002-")
    for part in ("Intended use", "The model", "Data", "Quality", "Limitations", "How to repeat"):
        assert f"\n## {part}\n" in page
    assert "accuracy of 0.9" in page
    assert "| neg | 38 |" in page
    assert "`querist verify --round 2`" in page
    html = rendered(page)
    assert html.count("&lt;img src=x onerror=alert(1)&gt; | **big**") == 2
    assert "<img" not in html


def test_what_is_known_to_be_wrong_is_said(run: Project) -> None:
    card = model_card(run)
    few = {**card, "limitations": ["of neg the holdout has 3 items only"], "evaluated": None}
    page = model_card_page(few)
    assert "- of neg the holdout has 3 items only" in page
    assert "It was not evaluated." in page


def test_the_command_writes_the_card(run: Project, tmp_path: Path) -> None:
    where = ["--project", str(run.folder)]
    said = CliRunner().invoke(cli, ["models", "card", *where]).output
    assert said == f"wrote {run.folder / 'reports' / 'model-card.md'}\n"
    CliRunner().invoke(cli, ["models", "card", "--out", str(tmp_path / "card.md"), *where])
    assert (tmp_path / "card.md").read_text() == (run.folder / "reports" / "model-card.md").read_text()
    found = json.loads(CliRunner().invoke(cli, ["models", "card", "--json", *where]).output)
    assert found["version"].startswith("r002-")
