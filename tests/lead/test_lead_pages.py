"""The lead's pages over HTTP: who may see them, what they say, what they change."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from html import unescape

import pytest
from fastapi.testclient import TestClient
from web_client import ByHeader

from querist.pipeline.accounts.people import audit_log
from querist.pipeline.project import Project
from querist.store import queue
from querist.store.annotations import Annotation, add_annotations, list_annotations
from querist.store.pace import seconds_by_round
from querist.web.app import create_app
from querist.web.lead_texts import TEXTS

PAGES = (
    "/lead",
    "/lead/queue",
    "/lead/people",
    "/lead/agreement",
    "/lead/review",
    "/lead/review?show=remarks",
    "/lead/review?show=relabel",
    "/lead/review?show=rulings",
)

Answering = Callable[..., None]


def seen(client: TestClient, path: str) -> str:
    """The page in one line, entities resolved."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return " ".join(unescape(answer.text).split())


OURS = {'<script src="/static/theme.js"', '<script type="module" src="/static/refresh.js"'}

EXPORT = "/api/v1/labels/export"


@pytest.mark.parametrize("path", [*PAGES, "/lead/review/item?item=r1", "/lead/learning-curve.svg"])
def test_annotators_and_strangers_are_refused(lead: TestClient, path: str) -> None:
    assert lead.get(path, headers={"x-role": "annotator"}).status_code == 403
    assert lead.get(path, headers={"x-person": ""}).status_code == 401
    page = lead.get(path, headers={"x-person": "", "accept": "text/html"})
    assert (page.status_code, page.headers["location"].startswith("/sign-in?next=/lead")) == (303, True)


@pytest.mark.parametrize("path", ["/lead/next", "/lead/release", "/lead/review", "/lead/review/take-back"])
def test_annotators_change_nothing(disagreed: Project, lead: TestClient, items: list[str], path: str) -> None:
    form = {"item": items[0], "label": "pos", "annotator": "ada"}
    assert lead.post(path, data=form, headers={"x-role": "annotator"}).status_code == 403
    assert lead.post(path, data=form, headers={"x-person": ""}).status_code == 401
    with disagreed.ledger.begin() as tx:
        assert {a.annotator for a in list_annotations(tx)} == {"ada", "bob"}
        assert queue.holders(tx, now=disagreed.clock())


@pytest.mark.parametrize("path", PAGES)
def test_pages_open_before_anybody_answered(lead: TestClient, path: str) -> None:
    assert lead.get(path).status_code == 200


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("path", PAGES)
def test_hostile_words_are_text_on_every_page(
    disagreed: Project, items: list[str], open_lead: Callable[[Project], TestClient], path: str, language: str
) -> None:
    hostile = "<script>hacked=1</script>{{ 7 * 191 }}"
    with disagreed.ledger.begin() as tx:  # names and labels that no page of ours would let in
        position = list_annotations(tx)[0].position
        made = {"item": items[0], "position": position, "split": "pool", "annotator": f"eve {hostile}"}
        details = {"reason": hostile, "flag": True}
        evil = Annotation("evil-0001", label=hostile, note=f"note {hostile}", details=details, **made)
        add_annotations(tx, [evil, evil._replace(id="evil-0002", item=items[4], label=None)], now=disagreed.clock())
        queue.lease(tx, f"mallory {hostile}", "t", 3, now=disagreed.clock(), minutes=9)
    text = (disagreed.folder / "querist.toml").read_text()
    (disagreed.folder / "querist.toml").write_text(f'{text}language = "{language}"\n')
    page = open_lead(Project(disagreed.folder)).get(path)
    assert page.status_code == 200
    assert "<script>hacked" not in page.text
    assert "<script>window" not in page.text
    assert "<img src=x" not in page.text
    assert "<i>odd" not in page.text
    assert "<b>reviews" not in page.text
    assert "1337" not in page.text
    assert "style=" not in page.text
    assert set(re.findall(r"<script[^>]*", page.text)) <= OURS
    assert f'<html lang="{language}">' in page.text


def test_the_overview_says_where_the_round_stands(disagreed: Project, lead: TestClient) -> None:
    page = seen(lead, "/lead")
    assert "People are labeling" in page
    assert "Round 0" in page
    assert "5 of 20 items have all their answers" in page
    assert "The next round can start when 15 more items are answered." in page
    assert "10 of 100" in page  # labels of the budget
    assert "2 people answer each item." in page
    assert "Start the next round" not in page


def test_each_round_says_how_long_people_worked_on_it(disagreed: Project, lead: TestClient) -> None:
    with disagreed.ledger.read() as tx:
        assert seconds_by_round(tx) == {0: 5 * 4.0 + 5 * 2.0}
    assert '<td class="n">0.5</td>' in seen(lead, "/lead").partition("Minutes of labeling")[2]


def test_a_complete_round_has_a_button_for_the_next(project: Project, items: list[str], answer: Answering) -> None:
    for who in ("ada", "bob"):
        answer(project, who, dict.fromkeys(items, "pos"))
    with TestClient(create_app(project, gate=ByHeader())) as client:
        client.headers.update({"x-person": "lea", "x-role": "lead"})
        end = time.monotonic() + 30
        while "The round is complete" not in (page := seen(client, "/lead")):
            assert time.monotonic() < end
            time.sleep(0.1)
    assert "round 0 is complete" in page
    assert "Start the next round</button>" in page


def test_the_next_round_is_asked_for_once_the_round_is_complete(lead: TestClient) -> None:
    started = lead.post("/lead/next")
    assert (started.status_code, started.headers["location"]) == (303, "/lead?started=true")
    assert "The next round is being made." in seen(lead, "/lead?started=true")


def test_who_has_what_and_a_release_frees_it(project: Project, lead: TestClient, answer: Answering) -> None:
    with project.ledger.begin() as tx:
        held = queue.lease(tx, "ada", "t", 4, now=project.clock(), minutes=10)
    page = seen(lead, "/lead/queue")
    assert "Items that want answers: 20; with nobody: 16." in page
    assert "Release the items of ada" in page
    assert f"<bdi>{held[0]}</bdi>" in page
    freed = lead.post("/lead/release", data={"annotator": "ada"})
    assert freed.headers["location"] == "/lead/queue?released=4"
    with project.ledger.begin() as tx:
        assert queue.holders(tx, now=project.clock()) == []
    assert "Free again: 4." in seen(lead, "/lead/queue?released=4")
    assert [(e.who, e.what, e.detail) for e in audit_log(project)] == [
        ("lea", "leases released", {"user": "ada", "items": "4"})
    ]


def test_people_with_their_speed_skips_and_agreement(disagreed: Project, lead: TestClient) -> None:
    page = seen(lead, "/lead/people")
    ada, bob = page.split('<th scope="row"><bdi>')[1:3]
    assert [cell.split("<")[0].strip() for cell in ada.split('<td class="n">')[1:7]] == [
        "5",
        "5",
        "0",
        "4.0",
        "900",
        "50%",
    ]
    assert [cell.split("<")[0].strip() for cell in bob.split('<td class="n">')[1:7]] == [
        "5",
        "5",
        "1",
        "2.0",
        "1,800",
        "50%",
    ]
    assert "Cannot tell yet: each side needs 30 answers or more." in page


def test_agreement_with_what_it_means(disagreed: Project, lead: TestClient) -> None:
    page = seen(lead, "/lead/agreement")
    assert "4 of 5 items have answers of two people or more." in page
    assert "50.0%" in page
    assert "Below 0.667 the labels do not carry conclusions" in page
    assert '<option value="0" selected>' in seen(lead, "/lead/agreement?round=0")


def test_a_project_without_overlap_is_told_what_to_set(
    project: Project, items: list[str], answer: Answering, lead: TestClient
) -> None:
    answer(project, "ada", dict.fromkeys(items, "pos"))
    assert "Agreement is unknown: set labeling.overlap to 2 or more" in seen(lead, "/lead/agreement")


def test_the_learning_curve_is_drawn(later: Project, open_lead: Callable[[Project], TestClient]) -> None:
    pytest.importorskip("altair", reason="the extra charts is not installed")
    pytest.importorskip("vl_convert", reason="the extra charts is not installed")
    drawn = open_lead(later).get("/lead/learning-curve.svg")
    assert (drawn.headers["content-type"], drawn.text.startswith("<svg")) == ("image/svg+xml", True)


def test_all_answers_are_exported(disagreed: Project, lead: TestClient) -> None:
    csv_file = lead.get(EXPORT, params={"format": "csv"})
    assert csv_file.headers["content-disposition"] == 'attachment; filename="answers.csv"'
    assert len(csv_file.text.splitlines()) == 11
    rows = [json.loads(line) for line in lead.get(EXPORT, params={"format": "jsonl"}).text.splitlines()]
    assert {row["annotator"] for row in rows} == {"ada", "bob"}
    assert lead.get(EXPORT, params={"format": "parquet"}).content.startswith(b"PAR1")
    assert lead.get(EXPORT, params={"format": "datasets"}).content.startswith(b"PK")
    assert lead.get(EXPORT, params={"format": "label-studio"}).json()
    assert lead.get(EXPORT, params={"format": "exe"}).status_code == 422


def test_without_an_answer_there_is_nothing_to_export_or_draw(lead: TestClient) -> None:
    page = seen(lead, "/lead")
    assert "There is no answer to export yet." in page
    assert "/lead/learning-curve.svg" not in page
    assert lead.get(EXPORT).status_code == 404
    assert lead.get("/lead/learning-curve.svg").status_code == 404


def test_all_languages_have_the_same_words() -> None:
    assert TEXTS["de"].keys() == TEXTS["en"].keys()
    for name, words in TEXTS["en"].items():
        assert sorted(part.split("}")[0] for part in words.split("{")[1:]) == sorted(
            part.split("}")[0] for part in TEXTS["de"][name].split("{")[1:]
        ), name
