"""Items with several labels, there and back through a real Label Studio."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree

import pytest

from querist.core.errors import SettingError
from querist.pipeline.exchange import label_studio as door
from querist.pipeline.human_labeling.labeling import Answer, Desk
from querist.pipeline.project import Project
from querist.store.annotations import Annotation, list_annotations

pytestmark = pytest.mark.systems

SETTINGS = """\
[project]
name = "news"
[objective]
metric = "macro_f1"
[data]
id = "id"
text = ["text"]
labels = "several"
classes = ["economy", "politics", "sport"]
[splits]
test = 0
validation = 0
[seed_set]
size = 24
[learner]
name = "tfidf-logistic"
calibration = "none"
[query]
batch_size = 8
[labeling]
show_prediction = "before"
[label_studio]
url = "{url}"
token_env = "LS_TOKEN"
"""
WORDS = {"economy": ["bank", "price"], "politics": ["vote", "law"], "sport": ["goal", "match"]}
TOPICS = [[], ["economy"], ["politics"], ["sport"], ["economy", "politics"], ["economy", "politics", "sport"]]


@dataclass(frozen=True)
class There:
    """Our project in Label Studio."""

    server: Any
    number: int

    def tasks(self) -> list[dict[str, Any]]:
        return self.server.tasks(self.number)

    def answer(self, task: dict[str, Any], labels: list[str]) -> int:
        """What Label Studio's page sends when several choices are ticked; without any it sends no result at all."""
        chosen = {"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": labels}}
        body = {"result": [chosen] if labels else [], "lead_time": 2.5, "was_cancelled": False}
        where = f"/api/tasks/{task['id']}/annotations/"
        return self.server.http.post(where, json=body).raise_for_status().json()["id"]


@pytest.fixture
def news(label_studio: Any, tmp_path: Path, clock: Callable[[], datetime], monkeypatch: pytest.MonkeyPatch) -> Project:
    (tmp_path / "querist.toml").write_text(SETTINGS.format(url=label_studio.url))
    monkeypatch.setenv("LS_TOKEN", label_studio.http.headers["Authorization"].removeprefix("Token "))
    lines = [f"n{i},{' '.join(w for t in TOPICS[i % 6] for w in WORDS[t])} item {i}" for i in range(60)]
    (tmp_path / "news.csv").write_text("\n".join(["id,text", *lines]))
    project = Project(tmp_path, clock=clock)
    project.ingest(tmp_path / "news.csv")
    assert project.run().status == "waiting"
    return project


@pytest.fixture
def there(label_studio: Any, news: Project) -> Iterator[There]:
    number = door.push(news).project
    yield There(label_studio, number)
    label_studio.http.delete(f"/api/projects/{number}/")


def topics(task: dict[str, Any]) -> list[str]:
    return TOPICS[int(task["data"]["querist_id"][1:]) % 6]


def said(project: Project) -> dict[str, Annotation]:
    with project.ledger.read() as tx:
        return {row.item: row for row in list_annotations(tx)}


def test_sets_of_labels_come_back_as_people_ticked_them(there: There, news: Project) -> None:
    choices = ElementTree.fromstring(there.server.project(there.number)["label_config"]).find("Choices")
    assert choices is not None
    assert choices.get("choice") == "multiple"
    first, second, third, fourth, fifth, *_ = there.tasks()
    both = there.answer(first, ["sport", "economy"])
    there.answer(second, [])
    there.server.annotate(third["id"], None)
    there.answer(fourth, ["sport", "strange"])
    there.answer(fifth, ["politics"])
    found = door.pull(news)
    assert (found.answers, [one.why for one in found.refused]) == (4, ['unknown label "strange"'])
    labels = {item: row.label for item, row in said(news).items()}
    items = [task["data"]["querist_id"] for task in (first, second, third, fifth)]
    assert [labels[item] for item in items] == ["economy;sport", "(none)", None, "politics"]
    assert said(news)[items[0]].seconds == 2.5

    chosen = {"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": ["politics", "sport"]}}
    there.server.http.patch(f"/api/annotations/{both}/", json={"result": [chosen], "lead_time": 4}).raise_for_status()
    assert door.pull(news).corrected == 1
    assert said(news)[items[0]].label == "politics;sport"
    there.server.delete(both)
    assert door.pull(news).undone == 1
    assert (said(news)[items[0]].kind, len(said(news))) == ("undo", 4)


def test_the_model_learns_from_them_and_suggests_sets(there: There, news: Project) -> None:
    for task in there.tasks():
        there.answer(task, topics(task))
    assert door.pull(news).answers == 24
    assert news.run().status == "waiting"
    pulled, pushed = door.sync(news)
    assert pulled is not None
    assert (pulled.answers, pushed.tasks) == (0, 8)
    (result,) = [one for one in there.server.next(there.number)["predictions"] if one["score"] == 0.5]
    assert result["model_version"] == pushed.model_version
    suggested = [
        part["value"]["choices"]
        for task in there.tasks()
        for one in task["predictions"]
        if one["model_version"] == pushed.model_version
        for part in one["result"]
    ]
    assert any(len(labels) > 1 for labels in suggested)
    assert {label for labels in suggested for label in labels} <= set(WORDS)


def test_sets_that_people_chose_here_are_there_once_and_come_back_corrected(there: There, news: Project) -> None:
    desk = Desk(news)
    items = [task["item"] for task in desk.lease("ada", "t", 2)["tasks"]]
    both, none = (
        Answer(uuid4().hex, item, label) for item, label in zip(items, ["sport;economy", "(none)"], strict=True)
    )
    desk.submit("ada", [both, none])
    assert door.push(news).answers == 2
    found = {task["data"]["querist_id"]: task["annotations"] for task in there.tasks()}
    (first,), (second,) = (found[item] for item in items)
    assert first["result"][0]["value"]["choices"] == ["economy", "sport"]
    assert (second["result"], second["was_cancelled"]) == ([], False)
    pulled, pushed = door.sync(news)
    assert (pulled, pushed.answers) == (door.Pulled(there.number), 0)

    chosen = {"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": ["politics"]}}
    there.server.http.patch(f"/api/annotations/{second['id']}/", json={"result": [chosen]}).raise_for_status()
    assert door.pull(news).corrected == 1
    assert (said(news)[items[1]].label, said(news)[items[1]].supersedes) == ("politics", none.id)


def test_a_page_that_takes_one_label_is_refused(there: There, news: Project) -> None:
    config = there.server.project(there.number)["label_config"].replace("multiple", "single")
    there.server.http.patch(f"/api/projects/{there.number}", json={"label_config": config}).raise_for_status()
    with pytest.raises(SettingError, match='no <Choices choice="multiple">'):
        door.push(news)
