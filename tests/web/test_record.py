"""The record over HTTP, and rounds that open by themselves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from web_client import ByHeader, entry, lease, send

from querist.pipeline.project import Project
from querist.web.app import create_app

AsPerson = Callable[..., TestClient]


def test_annotators_do_not_read_the_record(as_person: AsPerson) -> None:
    for path in ("/status", "/rounds", "/rounds/0", "/rounds/0/queries", "/annotations", "/metrics", "/training"):
        assert as_person("ada").get(f"/api/v1{path}").status_code == 403
        assert as_person("").get(f"/api/v1{path}").status_code == 401


def test_queries_come_page_by_page(as_person: AsPerson) -> None:
    lead, seen, cursor = as_person("lea", "lead"), [], None
    while True:
        page = lead.get(
            "/api/v1/rounds/0/queries", params={"limit": 8, **({"cursor": cursor} if cursor else {})}
        ).json()
        seen += [q["rank"] for q in page["queries"]]
        if (cursor := page["next"]) is None:
            break
    assert seen == list(range(1, 21))


def test_a_company_s_own_tool_gets_the_batch_with_what_its_people_need(as_person: AsPerson) -> None:
    lead = as_person("lea", "lead")
    (first,) = lead.get("/api/v1/rounds/0/queries", params={"limit": 1}).json()["queries"]
    (task,) = lease(as_person("ada"), 1)
    shown = ("item", "text", "image", "columns", "context", "prediction", "reason", "rank")
    assert [first[part] for part in shown] == [task[part] for part in shown]
    assert first["text"]
    assert first["context"]["product"]


def test_the_record_over_http_is_as_the_document_says(as_person: AsPerson, waiting: Project) -> None:
    ada, lead = as_person("ada"), as_person("lea", "lead")
    send(ada, *(entry(t["item"], t["context"]["label"]) for t in lease(ada, 20)))
    waiting.run()
    status = lead.get("/api/v1/status").json()
    assert status["rounds"] == lead.get("/api/v1/rounds").json()["rounds"] == waiting.status()["rounds"]
    assert status["rounds"][0]["labels"] == 20
    shown = lead.get("/api/v1/rounds/0").json()
    assert shown == json.loads(json.dumps({k: v for k, v in waiting.show_round(0).items() if k != "queries"}))
    assert shown["people"] == [{"annotator": "ada", "answers": 20, "skips": 0, "seconds": 0.0}]
    metrics = lead.get("/api/v1/metrics").json()["rounds"]
    assert metrics["1"] == {}, "round 1 waits"
    paths = lead.get("/api/v1/openapi.json").json()["paths"]
    for path in ("/status", "/rounds", "/metrics", "/rounds/{number}", "/rounds/{number}/queries"):
        answer = paths[f"/api/v1{path}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert "$ref" in answer, path


def test_annotations_are_followed_from_where_one_stopped(as_person: AsPerson) -> None:
    ada, lead = as_person("ada"), as_person("lea", "lead")
    items = [t["item"] for t in lease(ada, 3)]
    send(ada, entry(items[0]), entry(items[1], None, details={"reason": "unsure"}))
    page = lead.get("/api/v1/annotations").json()
    assert [(a["item"], a["label"], a["details"]) for a in page["annotations"]] == [
        (items[0], "pos", {}),
        (items[1], None, {"reason": "unsure"}),
    ]
    assert lead.get("/api/v1/annotations", params={"cursor": page["next"]}).json() == {"annotations": [], "next": None}
    send(ada, entry(items[2]))
    later = lead.get("/api/v1/annotations", params={"cursor": page["next"]}).json()
    assert [a["item"] for a in later["annotations"]] == [items[2]]


def test_the_model_is_asked_about_items_and_texts(as_person: AsPerson, waiting: Project) -> None:
    lead = as_person("lea", "lead")
    subjects = {"subjects": [{"text": "great lovely superb"}, {"text": "awful boring weak"}, {"item": "nowhere"}]}
    assert lead.post("/api/v1/predictions", json=subjects).json() == {"model_version": None, "predictions": [None] * 3}
    ada = as_person("ada")
    send(ada, *(entry(t["item"], t["context"]["label"]) for t in lease(ada, 20)))
    assert waiting.run().status == "waiting"
    answer = lead.post("/api/v1/predictions", json=subjects).json()
    good, bad, unknown = answer["predictions"]
    assert good["pos"] > 0.5 > bad["pos"]
    assert unknown is None
    assert answer["model_version"] == waiting.show_round(0)["models"][0]["version"]
    item = waiting.show_round(1)["queries"][0]
    (of_item,) = lead.post("/api/v1/predictions", json={"subjects": [{"item": item["id"]}]}).json()["predictions"]
    assert sum(of_item.values()) == pytest.approx(1)
    assert ada.post("/api/v1/predictions", json=subjects).status_code == 403


@pytest.mark.parametrize(("field", "most"), [("text", 100_000), ("item", 1_000)])
def test_a_subject_is_of_a_bounded_length(as_person: AsPerson, field: str, most: int) -> None:
    lead = as_person("lea", "lead")
    assert lead.post("/api/v1/predictions", json={"subjects": [{field: "x" * most}]}).status_code == 200
    refused = lead.post("/api/v1/predictions", json={"subjects": [{field: "x" * (most + 1)}]})
    assert refused.status_code == 422
    assert "xxxx" not in refused.text


def test_a_round_that_is_not_there_is_404(as_person: AsPerson) -> None:
    answer = as_person("lea", "lead").get("/api/v1/rounds/7")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert "no round 7" in answer.json()["detail"]


def test_labels_are_imported_whole_or_not_at_all(as_person: AsPerson) -> None:
    lead = as_person("lea", "lead")
    items = [q["item"] for q in lead.get("/api/v1/rounds/0/queries").json()["queries"]]
    good = "id,label\n" + "".join(f"{item},pos\n" for item in items[:2])

    def send_file(content: str) -> object:
        return lead.post("/api/v1/labels/import", content=content.encode(), headers={"content-type": "text/csv"})

    refused = send_file(good + f"{items[2]},maybe\n")
    assert (refused.status_code, "line 4: label 'maybe'" in refused.json()["detail"]) == (400, True)
    assert lead.get("/api/v1/annotations").json()["annotations"] == []
    assert send_file(good).json() == {"read": 2, "added": 2, "empty": 0, "unchanged": 0}
    assert send_file(good).json()["added"] == 0
    assert lead.get("/api/v1/annotations").json()["annotations"][0]["annotator"] == "lea"


def test_labels_come_in_every_format_that_is_one_file(as_person: AsPerson, waiting: Project) -> None:
    lead, ada = as_person("lea", "lead"), as_person("ada")
    (task,) = lease(ada, 1)
    send(ada, entry(task["item"], note="fine"))
    for format in ("csv", "jsonl", "parquet", "label-studio"):
        file = lead.get("/api/v1/labels/export", params={"format": format}).content
        answer = lead.post("/api/v1/labels/import", params={"format": format}, content=file)
        assert (answer.status_code, answer.json()["added"]) == (200, 0), format
        broken = lead.post("/api/v1/labels/import", params={"format": format}, content=b"{")
        assert broken.status_code == 400, format
        assert "/labels" not in broken.json()["detail"]


@pytest.mark.long
@pytest.mark.parametrize("by_itself", [True, False])
def test_the_next_round_opens_while_people_stay(waiting: Project, by_itself: bool) -> None:
    path = waiting.folder / "querist.toml"
    path.write_text(f"{path.read_text()}\n[labeling]\nstart_rounds = {str(by_itself).lower()}\n")
    with TestClient(create_app(Project(waiting.folder), gate=ByHeader())) as client:
        client.headers.update({"x-person": "lea", "x-role": "lead"})
        while tasks := lease(client, 20):
            send(client, *(entry(t["item"], "pos" if i % 2 else "neg") for i, t in enumerate(tasks)))
        end = time.monotonic() + 60
        if not by_itself:
            while client.get("/api/v1/training").json()["state"] != "complete":
                assert time.monotonic() < end
            assert lease(client, 1) == []
            client.post("/api/v1/rounds/next")
        while not lease(client, 1):
            assert time.monotonic() < end, client.get("/api/v1/training").json()
            time.sleep(0.2)
        assert lease(client, 1)[0]["round"] == 1
        assert lease(client, 1)[0]["prediction"]


def test_a_run_that_fails_is_told(waiting: Project, tmp_path: Path) -> None:
    path = waiting.folder / "querist.toml"
    with TestClient(create_app(waiting, gate=ByHeader())) as client:
        client.headers.update({"x-person": "lea", "x-role": "lead"})
        path.write_text(path.read_text().replace('name = "tfidf-logistic"', 'name = "nobody-knows"'))
        while tasks := lease(client, 20):
            send(client, *(entry(t["item"]) for t in tasks))
        end = time.monotonic() + 60
        while (state := client.get("/api/v1/training").json())["state"] != "failed":
            assert time.monotonic() < end
            time.sleep(0.2)
    assert "unknown learner 'nobody-knows'" in state["why"]
