"""The page of a round, for a terminal, as JSON and as Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from click.testing import CliRunner

from querist import __version__
from querist.cli import cli
from querist.pipeline.project import Project
from querist.pipeline.reporting.round_record import metrics_by_round, page_name, round_pages
from querist.stages.reporting.round_page import round_page
from querist.store.annotations import Annotation, add_annotations
from querist.store.rounds import list_queries

Change = Callable[[Path, str, str], None]
Clock = Callable[[], datetime]


def test_a_page_holds_all_that_a_round_was(run: Project) -> None:
    found = run.show_round(2)
    page = round_page(found)
    for query in found["queries"]:
        assert query["id"] in page
        assert f"{query['score']:.4f}" in page
    for part in (
        "# Round 2",
        "oracle:label",
        f"querist {__version__}",
        found["snapshot"],
        found["settings"],
        "accuracy",
        "2026-01-01",
        "`querist verify --round 2`",
        "query.batch_size",
        "labels: from 30 to 40",
        found["models"][0]["version"],
        *found["thresholds"],
    ):
        assert part in page, part


def test_what_changed_since_the_last_round_is_said(run: Project, change: Change, clock: Clock) -> None:
    change(run.folder, "batch_size = 10", "batch_size = 5")
    change(run.folder, 'strategy = "kmeans"', 'strategy = "random"')
    change(run.folder, "chars = []", "chars = [3, 4]")
    again = Project(run.folder, clock=clock)
    again.run(rounds=3, oracle="label")
    changes = again.show_round(3)["changes"]
    assert "setting query.batch_size: from 10 to 5" in changes
    assert "asked by random, before that by kmeans" in changes
    assert any("the learner changed" in sentence for sentence in changes)
    assert again.show_round(0)["changes"] == []


def test_the_settings_are_kept_once_for_each_change(run: Project, change: Change, clock: Clock) -> None:
    from querist.store.analyses import list_analyses

    change(run.folder, "batch_size = 10", "batch_size = 5")
    again = Project(run.folder, clock=clock)
    again.run(rounds=4, oracle="label")
    with again.ledger.read() as tx:
        kept = list_analyses(tx, "settings")
    assert [(a.round, a.result["settings"]["query"]["batch_size"]) for a in kept] == [(0, 10), (3, 5)]
    assert again.show_round(2)["settings_in_force"]["query"]["batch_size"] == 10
    assert again.show_round(4)["settings_set"]["query.batch_size"] == 5
    assert "storage" not in kept[0].result["settings"], "an address may hold a password"


def test_who_labeled_is_counted_without_what_was_taken_back(run: Project) -> None:
    with run.ledger.begin() as tx:
        query = list_queries(tx, 1)[0]
        given = run.show_round(1)["queries"][0]["annotations"][0]["id"]
        said = Annotation("z", query.item, query.position, "pool", None, "Ann", supersedes=given, seconds=4, note="why")
        add_annotations(tx, [said], now=run.clock())
    found = run.show_round(1)
    assert found["people"] == [
        {"annotator": "Ann", "answers": 0, "skips": 1, "seconds": 4.0},
        {"annotator": "oracle:label", "answers": 9, "skips": 0, "seconds": 0.0},
    ]
    assert "| skipped | Ann | 2026-01-01" in round_page(found)
    assert "| why |" in round_page(found)


def test_texts_of_people_stay_text(run: Project, rendered: Callable[[str], str]) -> None:
    hostile = "<script>alert(1)</script> | [x](javascript:y)\n# big"
    with run.ledger.begin() as tx:
        query = list_queries(tx, 1)[0]
        said = Annotation("z", query.item, query.position, "pool", "pos", hostile, note=hostile)
        add_annotations(tx, [said], now=run.clock())
    html = rendered(round_page(run.show_round(1)))
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt; | [x](javascript:y) # big</td>") == 3
    assert "<script" not in html
    assert "<a" not in html
    assert html.count("<h1>") == 1


def test_pages_are_written_once_and_again_only_when_they_change(run: Project) -> None:
    first = list(round_pages(run))
    assert [(path.name, changed) for path, changed in first] == [(page_name(n), True) for n in range(3)]
    assert first[0][0].parent == run.folder / "reports" / "rounds"
    assert [changed for _, changed in round_pages(run)] == [False] * 3
    with run.ledger.begin() as tx:
        query = list_queries(tx, 1)[0]
        late = Annotation("late", query.item, query.position, "pool", "pos", "Ann", note="late")
        add_annotations(tx, [late], now=run.clock())
    assert [changed for _, changed in round_pages(run)] == [False, True, False]


def test_pages_are_those_of_the_json(run: Project) -> None:
    for number, (path, _) in enumerate(round_pages(run)):
        assert path.read_text() == round_page(run.show_round(number))


def test_metrics_of_all_rounds_are_those_of_each(run: Project) -> None:
    assert metrics_by_round(run) == {n: run.show_round(n)["metrics"] for n in range(3)}


def test_an_open_round_has_a_page_too(folder: Path, reviews: Path, clock: Clock, change: Change) -> None:
    change(folder, 'label = "label"', 'classes = ["neg", "pos"]')
    project = Project(folder, clock=clock)
    project.ingest(reviews)
    project.run()
    page = round_page(project.show_round(0))
    assert "- Answered: not yet" in page
    assert "## Quality" not in page
    assert "What changed" not in page


def test_the_command_shows_a_round_and_writes_the_pages(run: Project, tmp_path: Path) -> None:
    where = ["--project", str(run.folder)]
    shown = CliRunner().invoke(cli, ["rounds", "show", "1", *where]).output
    assert "Round 1" in shown
    assert run.show_round(1)["queries"][0]["id"] in shown
    found = json.loads(CliRunner().invoke(cli, ["rounds", "show", "1", "--json", *where]).output)
    assert len(found["queries"]) == 10
    said = CliRunner().invoke(cli, ["rounds", "write", str(tmp_path / "pages"), *where]).output
    assert said.startswith("3 rounds, 3 pages written")
    assert len(list((tmp_path / "pages").glob("round-*.md"))) == 3


def test_verify_tells_in_one_line_and_in_its_status(run: Project, tamper: Callable[..., None]) -> None:
    where = ["--project", str(run.folder)]
    same = CliRunner().invoke(cli, ["verify", *where])
    assert (same.exit_code, same.output.startswith("round 2: the same 10 queries in the same order")) == (0, True)
    assert CliRunner().invoke(cli, ["verify", "--all", "--round", "1", *where]).exit_code == 2
    tamper("update metrics set value = 0.5 where round = 1 and name = 'accuracy'")
    differs = CliRunner().invoke(cli, ["verify", "--all", *where])
    assert differs.exit_code == 1
    assert "evaluation, accuracy: on record 0.5, now" in differs.output
    assert "likely cause: " in differs.output
    found = json.loads(CliRunner().invoke(cli, ["verify", "--all", "--json", *where]).output)
    assert [one["same"] for one in found] == [True, False, True]
