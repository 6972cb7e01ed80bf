"""Whoever settles an item may be one of those who answered it: the two acts do not touch each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from fastapi.testclient import TestClient
from web_client import entry, lease, send

from querist.pipeline.exchange.exports import answer_rows
from querist.pipeline.human_labeling.review import rule, rulings
from querist.pipeline.project import Project
from querist.stages.human_labeling.step import standing
from querist.store.annotations import list_annotations

AsPerson = Callable[..., TestClient]


def test_an_answer_of_the_lead_leaves_their_ruling(as_person: AsPerson, waiting: Project) -> None:
    lea = as_person("lea", "lead")
    item = str(lease(lea, 1)[0]["item"])
    rule(waiting, item, "neg", by="lea")
    send(lea, entry(item, "pos"))
    assert [(row["item"], row["label"]) for row in rulings(waiting)] == [(item, "neg")]


def test_a_lead_takes_back_an_answer_after_the_ruling(as_person: AsPerson, waiting: Project) -> None:
    lea = as_person("lea", "lead")
    item = str(lease(lea, 1)[0]["item"])
    first = entry(item, "pos")
    send(lea, first)
    rule(waiting, item, "neg", by="lea")
    back = {"id": uuid4().hex, "item": item, "undo": True, "supersedes": first["id"]}
    assert send(lea, back)[0]["status"] == "stored"
    assert [row["label"] for row in rulings(waiting)] == ["neg"]


def test_both_acts_of_the_lead_survive_export_and_import(as_person: AsPerson, waiting: Project, tmp_path: Path) -> None:
    lea = as_person("lea", "lead")
    item = str(lease(lea, 1)[0]["item"])
    send(lea, entry(item, "pos"))
    rule(waiting, item, "neg", by="lea")
    waiting.export_labels(tmp_path / "all.csv", answers=True)
    assert waiting.import_labels(tmp_path / "all.csv")["added"] == 0
    other = Project(_copy_without_record(waiting, tmp_path / "other"))
    assert other.import_labels(tmp_path / "all.csv")["added"] == 2
    with other.ledger.read() as tx:
        assert sorted(a.label or "" for a in standing(list_annotations(tx))) == ["neg", "pos"]
    assert {row["resolved"] for row in answer_rows(other)} == {"neg"}


def _copy_without_record(project: Project, folder: Path) -> Path:
    folder.mkdir()
    (folder / "querist.toml").write_text((project.folder / "querist.toml").read_text())
    Project(folder).ingest(project.folder.parent / "reviews.csv")
    return folder
