"""The checklist of real projects: what it finds in the record and in the folder."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from querist import __version__
from querist.cli import cli
from querist.pipeline.project import Project
from querist.pipeline.reporting.checklist import checklist
from querist.pipeline.reporting.model_card import write_model_card
from querist.store.annotations import Annotation, add_annotations
from querist.store.rounds import list_queries


def states(project: Project) -> dict[str, str]:
    return {row["line"]: row["state"] for row in checklist(project)}


def evidence(project: Project, line: str) -> str:
    return next(row["evidence"] for row in checklist(project) if row["line"] == line)


def test_a_project_without_data_is_judged_without_an_error(folder: Path) -> None:
    found = checklist(Project(folder))
    assert len(found) == 14
    assert not [row for row in found if row["state"] == "green"]
    json.dumps(found, allow_nan=False)


def test_a_project_with_data_and_no_round_is_judged_too(project: Project) -> None:
    assert states(project)["Holdout never touched"] == "amber"


def test_rounds_give_evidence(run: Project) -> None:
    found = states(run)
    for line in (
        "Seed set versioned and balanced",
        "Query strategy specified",
        "Metrics logged per iteration",
        "Holdout never touched",
        "Minority classes watched",
        "Context given to annotators",
        "More than one uncertainty measure",
    ):
        assert found[line] == "green", line
    assert "20 labels" in evidence(run, "Seed set versioned and balanced")
    assert "the 40 that were asked" in evidence(run, "Holdout never touched")


def test_an_answer_about_a_holdout_item_among_those_of_the_pool_turns_the_line_red(run: Project) -> None:
    held = int((run.snapshot.splits() == 2).nonzero()[0][0])
    with run.ledger.begin() as tx:
        add_annotations(tx, [Annotation("x", "sly", held, "pool", "pos", "Ann")], now=run.clock())
    assert states(run)["Holdout never touched"] == "red"
    assert "1 of 80 holdout items" in evidence(run, "Holdout never touched")


def test_the_card_counts_as_long_as_it_tells_of_the_newest_model(run: Project) -> None:
    assert states(run)["Model documented"] == "red"
    write_model_card(run)
    assert states(run)["Model documented"] == "green"
    run.run(rounds=3, oracle="label")
    assert states(run)["Model documented"] == "amber"


def test_a_simulation_of_the_project_justifies_its_strategy(run: Project) -> None:
    run.simulate(strategies=["badge", "random"], rounds=1, repeats=1, jobs=1)
    assert states(run)["Uncertainty method chosen and justified"] == "amber"
    run.simulate(rounds=1, repeats=2, jobs=1)
    assert states(run)["Uncertainty method chosen and justified"] == "green"


def test_answers_through_the_page_count(run: Project) -> None:
    with run.ledger.begin() as tx:
        query = list_queries(tx, 2)[0]
        shown = {"shown": "before"}
        said = Annotation(
            "y", query.item, query.position, "pool", "pos", "Ann", details=shown, at="2026-02-03T04:05:06"
        )
        add_annotations(tx, [said], now=run.clock())
    assert evidence(run, "Labeling page shown") == "1 answers came through the page, the last on 2026-02-03"


def test_a_dashboard_is_current_while_it_shows_the_newest_figures(run: Project) -> None:
    page = run.folder / "reports" / "report.html"
    page.parent.mkdir(exist_ok=True)
    page.write_text("nothing new")
    assert states(run)["Dashboard includes active-learning metrics"] == "amber"
    row = run.status()["rounds"][-1]
    page.write_text(f"<p>{row['value']:.3f} with {row['labels']:,} labels</p>")
    assert states(run)["Dashboard includes active-learning metrics"] == "green"


def test_an_image_must_name_this_version(run: Project) -> None:
    file = run.folder / "deploy" / "compose.yml"
    file.parent.mkdir()
    file.write_text(f"image: shop/querist:{__version__}9")
    assert states(run)["Container image tagged with the pipeline version"] == "amber"
    file.write_text(f"image: shop/querist:{__version__}")
    assert states(run)["Container image tagged with the pipeline version"] == "green"


@pytest.fixture
def git(run: Project) -> Callable[..., None]:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]

    def git(*arguments: str) -> None:
        subprocess.run(["git", *who, *arguments], cwd=run.folder, check=True, capture_output=True)

    return git


def test_the_workflow_is_as_it_was_committed(run: Project, git: Callable[..., None]) -> None:
    line = "Workflow script version-controlled"
    assert states(run)[line] == "amber", "no repository"
    git("init")
    assert states(run)[line] == "red", "a repository without the settings"
    git("add", "querist.toml")
    git("commit", "-m", "settings")
    assert states(run)[line] == "green"
    (run.folder / "nightly.sh").write_text("querist run")
    assert evidence(run, line).endswith("not so nightly.sh")
    with (run.folder / "querist.toml").open("a") as file:
        file.write("\n# changed\n")
    assert "has changed since commit" in evidence(run, line)


def test_without_git_the_line_is_amber(run: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert states(run)["Workflow script version-controlled"] == "amber"


def test_strict_ends_with_status_1_while_a_line_is_red(run: Project) -> None:
    where = ["--project", str(run.folder)]
    assert CliRunner().invoke(cli, ["checklist", *where]).exit_code == 0
    assert CliRunner().invoke(cli, ["checklist", "--strict", *where]).exit_code == 1
    found = json.loads(CliRunner().invoke(cli, ["checklist", "--json", *where]).output)
    assert [row["line"] for row in found] == [row["line"] for row in checklist(run)]
