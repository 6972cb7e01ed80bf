"""Projects whose annotators have disagreed, and clients that speak as a person."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra web is not installed")

from fastapi.testclient import TestClient
from web_client import ByHeader

from querist.pipeline.human_labeling.labeling import Answer, Desk
from querist.pipeline.project import Project
from querist.store.annotations import list_annotations
from querist.web.app import create_app

HOSTILE = '<script>window.hacked = 1</script><img src=x onerror="hacked=1">{{ 7 * 191 }} & "quoted"'
SETTINGS = """\
[project]
name = "<b>reviews</b>"
seed = 7
[objective]
metric = "accuracy"
budget_labels = 100
[data]
id = "id"
text = ["text"]
classes = ["pos", "neg", "<i>odd</i>"]
context = ["product"]
[preprocessing]
steps = ["control"]
[splits]
test = 0.2
[seed_set]
size = 20
[learner]
name = "tfidf-logistic"
[learner.encoder_params]
chars = []
[query]
strategy = "uncertainty"
batch_size = 10
[evaluation]
resamples = 100
[labeling]
overlap = 2
start_rounds = false
"""


@pytest.fixture(scope="session")
def asked_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that waits for two answers to each of 20 items with hostile texts."""
    folder = tmp_path_factory.mktemp("lead") / "project"
    folder.mkdir()
    (folder / "querist.toml").write_text(SETTINGS, encoding="utf-8")
    with (folder / "items.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "product"])
        for i in range(120):
            word = "great lovely" if i % 2 else "awful boring"
            writer.writerow([f"r<{i}>", f"{word} number {i} {HOSTILE}", f"p{i % 5} {HOSTILE}"])
    project = Project(folder)
    project.ingest(folder / "items.csv")
    assert project.run().status == "waiting"
    return folder


@pytest.fixture
def project(asked_once: Path, tmp_path: Path) -> Project:
    shutil.copytree(asked_once, tmp_path / "project")
    return Project(tmp_path / "project")


def _answer(project: Project, who: str, labels: Mapping[str, str | None], **more: object) -> None:
    """The person is handed all that waits and answers these items."""
    desk = Desk(project)
    desk.lease(who, "t", 100)
    answers = [
        Answer(f"{who}-{number:04d}-{item}", item, label, **more)  # type: ignore[arg-type]
        for number, (item, label) in enumerate(labels.items())
    ]
    desk.submit(who, answers)
    with project.ledger.begin() as tx:
        assert {a.id for a in answers} <= {a.id for a in list_annotations(tx)}


def _truth(item: str) -> str:
    return "pos" if int(item.strip("r<>")) % 2 else "neg"


@pytest.fixture(scope="session")
def answered_once(asked_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ada and bob answered round 0, bob a fifth of it otherwise; round 1 waits, with predictions. 20 holdout items have
    labels."""
    folder = tmp_path_factory.mktemp("lead-later") / "project"
    shutil.copytree(asked_once, folder)
    project = Project(folder)
    shown = {query["id"]: number for number, query in enumerate(project.show_round(0)["queries"])}
    project.export_labels(folder / "holdout.csv", holdout=20)
    with (folder / "holdout.csv").open(encoding="utf-8") as file:
        held_out = [row["id"] for row in csv.DictReader(file)]
    lines = ["id,label", *(f"{item},{_truth(item)}" for item in held_out)]
    (folder / "holdout.csv").write_text("\n".join(lines), encoding="utf-8")
    project.import_labels(folder / "holdout.csv", holdout=True)
    truth = {item: _truth(item) for item in shown}
    turned = {"pos": "neg", "neg": "pos"}
    _answer(project, "ada", truth, seconds=5.0)
    _answer(project, "bob", {item: turned[truth[item]] if n % 5 == 0 else truth[item] for item, n in shown.items()})
    assert project.run().status == "waiting"
    return folder


@pytest.fixture
def later(answered_once: Path, tmp_path: Path) -> Project:
    shutil.copytree(answered_once, tmp_path / "later")
    return Project(tmp_path / "later")


@pytest.fixture
def answer() -> Callable[..., None]:
    return _answer


@pytest.fixture
def items(project: Project) -> list[str]:
    """The 20 items asked, in order."""
    return [query["id"] for query in project.show_round(0)["queries"]]


@pytest.fixture
def disagreed(project: Project, items: list[str]) -> Project:
    """ada and bob answered the first five items; of the first two they say different things."""
    _answer(project, "ada", dict.fromkeys(items[:5], "pos"), seconds=4.0)
    _answer(project, "bob", dict(zip(items[:5], ["neg", "<i>odd</i>", "pos", "pos", None], strict=True)), seconds=2.0)
    return project


@pytest.fixture
def open_lead() -> Callable[[Project], TestClient]:
    """A client that speaks as the lead lea."""
    headers = {"x-person": "lea", "x-role": "lead"}

    def client(project: Project) -> TestClient:
        return TestClient(create_app(project, gate=ByHeader()), headers=headers, follow_redirects=False)

    return client


@pytest.fixture
def lead(project: Project, open_lead: Callable[[Project], TestClient]) -> TestClient:
    return open_lead(project)
