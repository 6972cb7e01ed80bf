"""Leasing and answering over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from web_client import entry, lease, send

from querist.pipeline.project import Project
from querist.store.annotations import list_annotations

AsPerson = Callable[..., TestClient]


def test_an_item_shows_what_a_person_needs_and_no_more(as_person: AsPerson) -> None:
    (task,) = lease(as_person("ada"), 1)
    assert task["rank"] == 1
    assert task["text"]
    assert task["context"]["product"].startswith("p")
    assert set(task) == {
        "item", "round", "rank", "score", "text", "image", "columns", "context", "reason", "prediction",
    }  # fmt: skip


def test_answers_of_two_people_end_the_round(as_person: AsPerson, waiting: Project) -> None:
    ada, ben = as_person("ada"), as_person("ben")
    while tasks := lease(ada, 4) + lease(ben, 4):
        for client, part in ((ada, tasks[:4]), (ben, tasks[4:])):
            assert {r["status"] for r in send(client, *(entry(t["item"]) for t in part))} <= {"stored"}
    with waiting.ledger.begin() as tx:
        made = list_annotations(tx)
    assert len(made) == len({a.item for a in made}) == 20
    assert {a.annotator for a in made} == {"ada", "ben"}
    assert waiting.run().status == "waiting"
    assert waiting.status()["rounds"][-1]["asked"] == 10


def test_sending_again_is_harmless(as_person: AsPerson, waiting: Project) -> None:
    ada = as_person("ada")
    one = entry(lease(ada)[0]["item"], seconds=2.5, note="sure")
    assert [r["status"] for r in send(ada, one, one)] == ["stored", "known"]
    assert [r["status"] for r in send(ada, one)] == ["known"]
    with waiting.ledger.begin() as tx:
        (made,) = list_annotations(tx)
    assert (made.seconds, made.note, made.label) == (2.5, "sure", "pos")


def test_one_bad_answer_does_not_stop_the_others(as_person: AsPerson) -> None:
    ada = as_person("ada")
    good, other = (entry(task["item"]) for task in lease(ada, 2))
    results = send(ada, entry("nowhere"), good, {**other, "label": "maybe"})
    assert [(r["status"], r["why"]) for r in results] == [
        ("refused", "no such item was asked"),
        ("stored", ""),
        ("refused", "no such label"),
    ]


def test_nobody_answers_what_was_handed_to_another(as_person: AsPerson) -> None:
    item = lease(as_person("ada"), 1)[0]["item"]
    (result,) = send(as_person("eve"), entry(item))
    assert (result["status"], result["why"]) == ("refused", "this item was never handed to you")


def test_an_id_of_another_answer_is_refused(as_person: AsPerson) -> None:
    ada, ben = as_person("ada"), as_person("ben")
    first = entry(lease(ada, 1)[0]["item"])
    send(ada, first)
    (result,) = send(ben, {**entry(lease(ben, 1)[0]["item"]), "id": first["id"]})
    assert (result["status"], result["why"]) == ("refused", "this id stands for another answer")


def test_an_answer_after_the_lease_is_taken(as_person: AsPerson) -> None:
    ada, ben = as_person("ada"), as_person("ben")
    item = lease(ada, 1)[0]["item"]
    assert ada.post("/api/v1/tasks/release", json={"tab": "t"}).json() == {"released": 1}
    assert lease(ben, 1)[0]["item"] == item
    assert send(ada, entry(item))[0]["status"] == "stored"
    assert send(ben, entry(item, "neg"))[0]["status"] == "stored"


def test_undo_brings_the_item_back(as_person: AsPerson, waiting: Project) -> None:
    ada = as_person("ada")
    item = lease(ada, 1)[0]["item"]
    first = entry(item)
    send(ada, first)
    assert item not in [t["item"] for t in lease(ada)]
    back = {"id": uuid4().hex, "item": item, "undo": True, "supersedes": first["id"]}
    assert send(ada, back, back)[0]["status"] == "stored"
    assert lease(ada)[0]["item"] == item
    assert item not in [t["item"] for t in lease(as_person("ben"), 20)]
    (again,) = send(ada, {**back, "id": uuid4().hex})
    assert again["why"] == "there is no such answer of yours to undo"
    send(ada, entry(item, None, details={"reason": "unsure", "flag": True}))
    with waiting.ledger.begin() as tx:
        last = list_annotations(tx)[-1]
    assert (last.label, dict(last.details)) == (None, {"reason": "unsure", "flag": True})


def test_a_second_answer_corrects_the_first(as_person: AsPerson, waiting: Project) -> None:
    ada = as_person("ada")
    item = lease(ada, 1)[0]["item"]
    first, second = entry(item), entry(item, "neg")
    send(ada, first, second)
    with waiting.ledger.begin() as tx:
        made = list_annotations(tx)
    assert [a.supersedes for a in made] == [None, first["id"]]


def test_progress_counts_the_round_the_day_and_the_person(as_person: AsPerson) -> None:
    ada = as_person("ada")
    tasks = lease(ada, 3)
    answer = ada.post("/api/v1/annotations", json={"tab": "t", "annotations": [entry(t["item"]) for t in tasks]})
    assert answer.json()["progress"] == {"round": 0, "round_total": 20, "round_done": 3, "today": 3, "mine": 3}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/tasks/lease", {"tab": "t", "n": 0}),
        ("/api/v1/tasks/lease", {"tab": "../x"}),
        ("/api/v1/annotations", {"tab": "t", "annotations": [{"id": "short", "item": "r1"}]}),
        ("/api/v1/annotations", {"tab": "t", "annotations": [{"id": "a" * 32, "item": "r1", "seconds": -1}]}),
        ("/api/v1/annotations", {"tab": "t", "annotations": [{"id": "a" * 32, "item": "r1", "position": 3}]}),
        # PostgreSQL cannot hold NUL: without a refusal the page would send the answer, and all behind it, for ever.
        ("/api/v1/annotations", {"tab": "t", "annotations": [{"id": "a" * 32, "item": "r1", "note": "a\0b"}]}),
        ("/api/v1/annotations", {"tab": "t", "annotations": [{"id": "a" * 32, "item": "r\0"}]}),
        ("/api/v1/tasks/release", {"tab": "t", "items": ["r\0"]}),
    ],
)
def test_a_request_that_makes_no_sense_is_a_problem(as_person: AsPerson, path: str, body: dict[str, object]) -> None:
    answer = as_person("ada").post(path, json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"].startswith("Unprocessable")


def test_strangers_see_nothing(as_person: AsPerson) -> None:
    stranger = as_person("")
    assert stranger.post("/api/v1/tasks/lease", json={"tab": "t"}).status_code == 401
    assert stranger.get("/api/v1/labels").status_code == 401
    assert stranger.get(f"/images/{'0' * 64}").status_code == 401


def test_only_images_come_out_of_the_artifacts(as_person: AsPerson, waiting: Project) -> None:
    ada = as_person("ada")
    model = waiting.artifacts.put(b"a model")
    assert ada.get(f"/images/{model}").status_code == 404
    picture = waiting.artifacts.put(b"\x89PNG\r\n\x1a\n...")
    assert ada.get(f"/images/{picture}").headers["content-type"] == "image/png"
    for path in ("/images/..%2f..%2fquerist.toml", "/static/..%2fapp.py", "/static/../app.py", "/images/x"):
        assert ada.get(path).status_code in (404, 422)


def test_an_oversized_body_is_refused_before_it_is_read(as_person: AsPerson) -> None:
    ada = as_person("ada")
    big = b"x" * ((1 << 20) + 1)
    assert ada.post("/api/v1/annotations", content=big).status_code == 413

    def drops() -> object:
        for _ in range(9):
            yield b"x" * (1 << 17)

    assert ada.post("/api/v1/annotations", content=drops()).status_code == 413


def test_every_answer_carries_the_headers_that_keep_a_page_to_itself(as_person: AsPerson) -> None:
    for answer in (as_person("ada").get("/api/v1/labels"), as_person("").get("/nowhere")):
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"


def test_every_reference_in_the_openapi_document_leads_somewhere(as_person: AsPerson) -> None:
    document = as_person("").get("/api/v1/openapi.json").json()
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}

    def references(node: object) -> set[str]:
        if isinstance(node, dict):
            return {node["$ref"]} if "$ref" in node else {r for child in node.values() for r in references(child)}
        return {r for child in node for r in references(child)} if isinstance(node, list) else set()

    assert references(document) <= known
    assert "HTTPValidationError" not in document["components"]["schemas"]
