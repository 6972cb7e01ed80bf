"""Items with a known answer are mixed in, and tell how right people are."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from fastapi.testclient import TestClient
from web_client import ByHeader, entry, lease, send

from querist.pipeline.human_labeling.agreement import agreement
from querist.pipeline.project import Project
from querist.snapshots.snapshot import POOL
from querist.stages.human_labeling.step import is_gold
from querist.store.annotations import list_annotations
from querist.store.rounds import list_queries
from querist.web.app import create_app


def gold_project(folder: Path, make_reviews: Callable[..., Path]) -> Project:
    """Every third label is known; a third of a batch is gold."""
    rows = list(csv.DictReader(make_reviews(folder / "all.csv").open()))
    with (folder / "items.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "label": row["label"] if i % 3 == 0 else ""} for i, row in enumerate(rows))
    text = (folder / "querist.toml").read_text()
    (folder / "querist.toml").write_text(f"{text}\n[labeling]\ngold_share = 0.3\n")
    project = Project(folder)
    project.ingest(folder / "items.csv")
    assert project.run().status == "waiting"
    return project


def test_gold_tests_people_and_changes_no_label(folder: Path, make_reviews: Callable[..., Path]) -> None:
    project = gold_project(folder, make_reviews)
    with project.ledger.begin() as tx:
        asked = list_queries(tx, 1)
    gold = {q.item for q in asked if q.payload.get("gold")}
    assert (len(asked), len(gold)) == (10, 3)
    assert [q.rank for q in asked] == list(range(10))
    truth, _ = project.snapshot.labels("label", project.classes())
    with TestClient(create_app(project, gate=ByHeader()), headers={"x-person": "ada"}) as ada:
        tasks = lease(ada, 10)
        assert all("gold" not in str(task) for task in tasks)
        assert {task["prediction"] is None for task in tasks} == {False}
        assert {task["score"] for task in tasks} == {None}
        at = {q.item: q.position for q in asked}
        answers = {t["item"]: project.classes()[truth[at[t["item"]]]] if t["item"] in gold else "pos" for t in tasks}
        wrong = min(gold)
        answers[wrong] = "neg" if answers[wrong] == "pos" else "pos"
        assert {r["status"] for r in send(ada, *(entry(item, label) for item, label in answers.items()))} == {"stored"}
    found = agreement(project)["annotators"]
    assert [(row["annotator"], row["gold"]["right"], row["gold"]["asked"]) for row in found] == [("ada", 2, 3)]
    assert project.run().status == "waiting"
    known_before = int((truth >= 0)[project.snapshot.primary() & (project.snapshot.splits() == POOL)].sum())
    assert project.show_round(1)["models"][0]["n_labels"] == known_before + 7, "gold answers are no new labels"
    with project.ledger.begin() as tx:
        assert not gold & {q.item for q in list_queries(tx, 2)}, "nobody is tested twice by the same item"


def test_gold_comes_back_as_gold_by_every_way_and_a_worksheet_does_not_tell_it(
    folder: Path, make_reviews: Callable[..., Path], tmp_path: Path
) -> None:
    project = gold_project(folder, make_reviews)
    with project.ledger.begin() as tx:
        asked = list_queries(tx, 1)
    project.export_labels(tmp_path / "batch.csv")
    with (tmp_path / "batch.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert "gold" not in rows[0]
    with (tmp_path / "done.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["id", "label"])
        writer.writeheader()
        writer.writerows({"id": row["id"], "label": "pos"} for row in rows)
    assert project.import_labels(tmp_path / "done.csv", annotator="ben")["added"] == 10
    with project.ledger.read() as tx:
        said = {a.item: is_gold(a) for a in list_annotations(tx)}
    assert said == {q.item: bool(q.payload.get("gold")) for q in asked}
