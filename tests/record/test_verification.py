"""A round done again: the same, or what differs by name."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from querist.core.errors import LedgerError, NoSuchRound
from querist.pipeline.conditions import libraries
from querist.pipeline.project import Project
from querist.pipeline.verification import verify, verify_all
from querist.store.analyses import list_analyses
from querist.store.annotations import Annotation, add_annotations
from querist.store.rounds import list_queries
from querist.store.steps import find_step

Change = Callable[[Path, str, str], None]
Tamper = Callable[..., None]
Clock = Callable[[], datetime]


def named(found: dict[str, object]) -> list[tuple[str, str]]:
    return [(d["step"], d["what"]) for d in found["differences"]]  # type: ignore[index, attr-defined]


def test_every_round_of_a_clean_project_is_the_same_again(run: Project) -> None:
    before = run.digest()
    found = list(verify_all(run))
    assert [(f["round"], f["same"], f["differences"]) for f in found] == [(0, True, []), (1, True, []), (2, True, [])]
    assert [f["queries"] for f in found] == [20, 10, 10]
    assert all(f["metrics"] for f in found)
    assert run.digest() == before, "the loop is not touched"


def test_nothing_is_left_beside_the_round_but_the_finding_itself(run: Project) -> None:
    files = sorted(path for path in (run.folder / ".querist" / "artifacts").rglob("*") if path.is_file())
    found = verify(run)
    assert sorted(p for p in (run.folder / ".querist" / "artifacts").rglob("*") if p.is_file()) == files
    with run.ledger.read() as tx:
        (kept,) = list_analyses(tx, "verification")
    assert (kept.round, kept.result) == (2, found)


def test_a_changed_score_is_named(run: Project, tamper: Tamper) -> None:
    tamper("update queries set score = score * 0.9 where round = 1 and rank = 2")
    found = verify(run, 1)
    assert not found["same"]
    assert named(found) == [("query_strategy", "score of query 3")]
    (difference,) = found["differences"]
    assert difference["recorded"] == pytest.approx(0.9 * difference["again"])
    assert "changed afterwards" in found["causes"][0]


def test_a_query_put_in_place_of_another_is_named(run: Project, tamper: Tamper) -> None:
    with run.ledger.read() as tx:
        asked = list_queries(tx, 2)
    tamper("update queries set item = ? where round = 2 and rank = 0", "r9999")
    (difference, *_) = verify(run, 2)["differences"]
    assert difference == {
        "step": "query_strategy",
        "what": "query 1",
        "recorded": "r9999",
        "again": asked[0].item,
    }


def test_a_changed_metric_is_named_and_nothing_else_is(run: Project, tamper: Tamper) -> None:
    tamper("update metrics set value = 0.999 where round = 2 and name = 'accuracy'")
    assert named(verify(run)) == [("evaluation", "accuracy")]


def test_a_changed_label_is_found_where_the_labels_were_left(run: Project, tamper: Tamper) -> None:
    with run.ledger.read() as tx:
        item = list_queries(tx, 1)[0].item
    tamper("update annotations set label = case label when 'pos' then 'neg' else 'pos' end where item = ?", item)
    assert ("human_labeling", "labels") in named(verify(run, 2))


def test_settings_changed_on_record_are_named_and_so_is_what_comes_of_them(run: Project, tamper: Tamper) -> None:
    with run.ledger.read() as tx:
        (kept,) = list_analyses(tx, "settings")
    settings = {**kept.result["settings"], "project": {**kept.result["settings"]["project"], "seed": 8}}
    tamper("update analyses set result = ? where kind = 'settings'", json.dumps({**kept.result, "settings": settings}))
    found = verify(run, 1)
    assert ("uncertainty_scoring", "settings on record") in named(found)
    assert any(what.startswith("query ") for _, what in named(found)), "another seed asks other items"
    assert "not those whose hash" in found["causes"][0]


def test_settings_of_today_do_not_matter(run: Project, change: Change, clock: Clock) -> None:
    change(run.folder, "seed = 7", "seed = 8")
    change(run.folder, "batch_size = 10", "batch_size = 5")
    again = Project(run.folder, clock=clock)
    again.run(rounds=3, oracle="label")
    assert [found["same"] for found in verify_all(again)] == [True] * 4
    assert again.show_round(3)["settings"] != again.show_round(2)["settings"]


def test_another_learner_in_between_is_verified_with_its_change(run: Project, change: Change, clock: Clock) -> None:
    change(run.folder, "chars = []", "chars = [3, 4]")
    again = Project(run.folder, clock=clock)
    again.run(rounds=3, oracle="label")
    found = verify(again, 3)
    assert found["steps"][0] == "learner_change"
    assert found["same"], found["differences"]


def test_lost_bytes_are_named_with_the_remedy(run: Project) -> None:
    with run.ledger.read() as tx:
        step = find_step(tx, 2, "uncertainty_scoring")
    assert step is not None
    name = step.result["scores"]
    (run.folder / ".querist" / "artifacts" / name[:2] / name[2:]).write_bytes(b"other bytes")
    found = verify(run)
    assert named(found)[0] == ("uncertainty_scoring", "stored scores")
    assert "backup" in found["causes"][0]


def test_lost_predictions_of_the_holdout_are_named(run: Project) -> None:
    with run.ledger.read() as tx:
        name = list_analyses(tx, "evaluation", round=2)[0].result["predictions"]
    (run.folder / ".querist" / "artifacts" / name[:2] / name[2:]).unlink()
    assert named(verify(run)) == [("evaluation", "stored predictions")]


def test_a_lost_model_keeps_the_round_after_it_from_being_done_again(run: Project) -> None:
    artifact = run.show_round(1)["models"][0]["artifact"]
    (run.folder / ".querist" / "artifacts" / artifact[:2] / artifact[2:]).unlink()
    found = verify(run, 2)
    assert ("uncertainty_scoring", "the step") in named(found)
    assert artifact in found["differences"][0]["again"]


def test_other_libraries_are_given_as_the_likely_cause(run: Project, tamper: Tamper) -> None:
    tamper("update metrics set value = 0.999 where round = 2 and name = 'accuracy'")
    tamper("update analyses set result = replace(result, ?, '\"0.0.1\"')", f'"{libraries()["numpy"]}"')
    assert f"numpy was 0.0.1, now it is {libraries()['numpy']}" in verify(run)["causes"]


def test_another_version_of_querist_is_given_as_the_likely_cause(run: Project, tamper: Tamper) -> None:
    tamper("update metrics set value = 0.999 where round = 2 and name = 'accuracy'")
    tamper("update steps set code_version = '0.0.9' where round = 2")
    assert "querist 0.0.9 ran the round" in verify(run)["causes"][0]


def test_before_the_first_round_there_is_nothing_to_verify(project: Project) -> None:
    with pytest.raises(LedgerError, match="nothing to verify; run `querist run` first"):
        verify(project)


def test_a_round_that_is_not_there_is_refused(run: Project) -> None:
    with pytest.raises(NoSuchRound, match="there is no round 9"):
        verify(run, 9)


def test_a_round_whose_conditions_are_not_on_record_is_refused_with_the_reason(run: Project, tamper: Tamper) -> None:
    tamper("delete from analyses where kind = 'step'")
    with pytest.raises(LedgerError, match="does not say under which settings"):
        verify(run)


@pytest.fixture
def labeled(folder: Path, reviews: Path, tmp_path: Path, clock: Clock, change: Change) -> Project:
    """Two rounds labeled by a person in files, under a budget that every label counts against."""
    change(folder, 'metric = "accuracy"', 'metric = "accuracy"\nbudget_labels = 33')
    change(folder, 'label = "label"', 'classes = ["neg", "pos"]')
    change(folder, 'context = ["product"]', 'context = ["product", "label"]')
    project = Project(folder, clock=clock)
    project.ingest(reviews)
    for _ in range(2):
        assert project.run().status == "waiting"
        answer(project, tmp_path / "batch.csv")
    return project


def answer(project: Project, file: Path) -> None:
    """Every open query gets its true label, under the name of Ann."""
    truth = {row["id"]: row["label"] for row in csv.DictReader((file.parent / "reviews.csv").open())}
    project.export_labels(file)
    rows = [{**row, "label": truth[row["id"]]} for row in csv.DictReader(file.open())]
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    project.import_labels(file, annotator="Ann")


def test_answers_that_came_late_or_in_between_do_not_spoil_an_earlier_round(labeled: Project, tmp_path: Path) -> None:
    """Ann corrects an answer to the seed set after round 1 has used it, and labels an item that was never asked."""
    first = labeled.show_round(0)["queries"][0]
    other = "neg" if first["annotations"][0]["label"] == "pos" else "pos"
    corrected = Annotation(
        "later",
        first["id"],
        0,
        "pool",
        other,
        "Ann",
        supersedes=first["annotations"][0]["id"],
        at="2025-01-01T00:00:00",
    )
    with labeled.ledger.begin() as tx:
        position = next(q.position for q in list_queries(tx, 0) if q.item == first["id"])
        add_annotations(tx, [corrected._replace(position=position)], now=labeled.clock())
    labeled.run()
    answer(labeled, tmp_path / "batch.csv")
    outcome = labeled.run()
    assert outcome.status == "stopped", "the budget of 33 labels is spent"
    found = list(verify_all(labeled))
    assert [f["differences"] for f in found] == [[], [], []]
    assert [f["queries"] for f in found] == [20, 10, 3]


def test_an_open_round_is_verified_as_far_as_it_is(labeled: Project) -> None:
    assert labeled.run().status == "waiting"
    found = verify(labeled, 2)
    assert (found["same"], found["steps"]) == (True, ["uncertainty_scoring", "query_strategy"])
    assert (found["queries"], found["metrics"], found["model_version"]) == (3, 0, None)


def test_a_ledger_in_postgresql_is_verified_in_a_file(
    folder: Path, reviews: Path, clock: Clock, postgres: str, change: Change
) -> None:
    change(folder, "[seed_set]", f'[storage]\nledger = "{postgres}"\n[seed_set]')
    project = Project(folder, clock=clock)
    project.ingest(reviews)
    project.run(rounds=1, oracle="label")
    assert [found["differences"] for found in verify_all(project)] == [[], []]
    project.ledger.close()
