"""The lead's pages over HTTP: who may see them, what they say, what they change."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from html import unescape

import pytest
from fastapi.testclient import TestClient
from web_client import ByHeader

from querist.pipeline.accounts.people import audit_log
from querist.pipeline.human_labeling.review import relabel_or_wait, rule
from querist.pipeline.project import Project
from querist.snapshots.snapshot import POOL
from querist.store import queue
from querist.store.annotations import Annotation, add_annotations, list_annotations
from querist.store.pace import seconds_by_round
from querist.store.rounds import Query, get_round, open_round
from querist.web.app import create_app
from querist.web.auth import Gate
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


def _client(project: Project) -> TestClient:
    from web_client import ByHeader

    from querist.web.app import create_app

    return TestClient(
        create_app(Project(project.folder), gate=ByHeader()), headers={"x-person": "lea", "x-role": "lead"}
    )


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


def test_of_many_labels_those_given_have_buttons_and_a_list_has_all(
    disagreed: Project, items: list[str], open_lead: Callable[[Project], TestClient]
) -> None:
    file = disagreed.folder / "querist.toml"
    more = ", ".join(f'"label {n}"' for n in range(74))
    file.write_text(file.read_text().replace('"<i>odd</i>"]', f'"<i>odd</i>", {more}]'))
    page = seen(open_lead(Project(disagreed.folder)), f"/lead/review/item?item={items[0]}")
    assert page.count('<button name="label"') == 2
    assert page.count("<option ") == 77


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


def test_a_decision_is_the_resolved_label_until_it_is_taken_back(
    disagreed: Project, items: list[str], lead: TestClient
) -> None:
    from querist.pipeline.exchange.exports import answer_rows

    def resolved() -> str | None:
        return next(row["resolved"] for row in answer_rows(disagreed) if row["id"] == items[0])

    page = seen(lead, "/lead/review")
    assert "Items with different labels: 2." in page
    assert page.index(items[0]) < page.index(items[1])
    undecided = resolved()
    other = "pos" if undecided == "neg" else "neg"
    for _ in range(2):  # a double click
        answer = lead.post("/lead/review", data={"item": items[0], "label": other})
        assert (answer.status_code, answer.headers["location"]) == (303, "/lead/review")
    assert resolved() == other
    with disagreed.ledger.begin() as tx:
        rulings = [a for a in list_annotations(tx) if a.annotator == "lea"]
    assert [(a.label, a.details) for a in rulings] == [(other, {"adjudicated": True})]
    assert "Items with different labels: 1." in seen(lead, "/lead/review")
    assert items[0] in seen(lead, "/lead/review?show=rulings")
    lead.post("/lead/review/take-back", data={"item": items[0]})
    assert resolved() == undecided
    lead.post("/lead/review", data={"item": items[0], "label": other})  # and decided again
    assert resolved() == other


def test_a_second_decision_of_another_lead_holds(disagreed: Project, items: list[str], lead: TestClient) -> None:
    lead.post("/lead/review", data={"item": items[0], "label": "pos"})
    lead.post("/lead/review", data={"item": items[0], "label": "neg"}, headers={"x-person": "lou"})
    page = seen(lead, "/lead/review?show=rulings")
    assert page.count("Take back the decision") == 1
    assert "lou" in page
    lead.post("/lead/review/take-back", data={"item": items[0]})
    assert "Nothing was decided by a lead yet." in seen(lead, "/lead/review?show=rulings")


def test_a_lead_may_decide_that_no_label_fits(disagreed: Project, items: list[str], lead: TestClient) -> None:
    from querist.pipeline.exchange.exports import answer_rows

    lead.post("/lead/review", data={"item": items[0], "none": "yes"})
    assert {row["resolved"] for row in answer_rows(disagreed) if row["id"] == items[0]} == {None}
    page = seen(lead, f"/lead/review/item?item={items[0]}")
    assert "Decided: no label, by lea." in page


def test_decisions_that_cannot_be_are_refused(disagreed: Project, items: list[str], lead: TestClient) -> None:
    for form in ({"item": items[0], "label": "maybe"}, {"item": "nobody", "label": "pos"}, {"item": items[0]}):
        answer = lead.post("/lead/review", data=form)
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert "was neither asked nor answered" in lead.post("/lead/review", data={"item": "no", "label": "pos"}).text


def test_one_goes_back_to_the_page_one_came_from_and_nowhere_else(
    disagreed: Project, items: list[str], lead: TestClient
) -> None:
    form = {"item": items[0], "label": "pos"}
    for referer, back in (
        ("http://testserver/lead/review?start=20", "/lead/review?start=20"),
        ("http://testserver/lead/review", "/lead/review"),
        ("http://testserver//evil.example/lead/review", "/lead/review"),
        ("http://evil.example/lead/review?start=20", "/lead/review"),
    ):
        answer = lead.post("/lead/review", data=form, headers={"referer": referer})
        assert answer.headers["location"] == back


def test_remarks_show_flags_notes_and_why_people_skipped(
    project: Project, items: list[str], answer: Answering, lead: TestClient
) -> None:
    answer(project, "ada", {items[0]: None}, details={"reason": "unreadable"})
    answer(project, "ada", {items[1]: "pos"}, note="look at this", details={"flag": True})
    answer(project, "bob", {items[2]: "pos"})
    page = seen(lead, "/lead/review?show=remarks")
    assert "skipped</em>: unreadable or broken" in page
    assert "look at this" in page
    assert "⚑ Flagged" in page
    assert items[2] not in page


def test_new_and_labeled_items_stand_in_one_order(
    later: Project, answer: Answering, open_lead: Callable[[Project], TestClient]
) -> None:
    asked = [query["id"] for query in later.show_round(1)["queries"]]
    assert "so it starts after the second round" in seen(open_lead(later), "/lead/review?show=relabel")
    for who in ("ada", "bob"):
        answer(later, who, {asked[0]: "pos", asked[1]: "neg"})
    answer(later, "ada", {asked[2]: "pos"})
    found = relabel_or_wait(later)
    assert (found["labeled"], found["new"]) == (3, 7)
    assert [row["score"] for row in found["rows"]] == sorted((r["score"] for r in found["rows"]), reverse=True)
    again = {row["item"]: (row["label"], row["answers"]) for row in found["rows"] if row["label"]}
    assert again == {asked[0]: ("pos", 2), asked[1]: ("neg", 2), asked[2]: ("pos", 1)}
    rule(later, asked[0], "pos", by="lea")
    assert relabel_or_wait(later)["labeled"] == 2
    assert "label again" in seen(open_lead(later), "/lead/review?show=relabel")


def test_the_learning_curve_is_drawn(later: Project, open_lead: Callable[[Project], TestClient]) -> None:
    pytest.importorskip("altair", reason="the extra charts is not installed")
    pytest.importorskip("vl_convert", reason="the extra charts is not installed")
    drawn = open_lead(later).get("/lead/learning-curve.svg")
    assert (drawn.headers["content-type"], drawn.text.startswith("<svg")) == ("image/svg+xml", True)


def test_forms_carry_the_csrf_value_of_the_session(disagreed: Project, items: list[str]) -> None:
    gate = Gate(disagreed)
    client = TestClient(create_app(disagreed, gate=gate), base_url="http://localhost", follow_redirects=False)
    client.get(gate.one_time_path())
    page = client.get("/lead/review").text
    csrf = page.split('name="csrf" value="')[1].split('"')[0]
    form = {"item": items[0], "label": "pos"}
    assert client.post("/lead/review", data=form).status_code == 403
    assert client.post("/lead/review", data={**form, "csrf": "wrong"}).status_code == 403
    assert client.post("/lead/review", data={**form, "csrf": csrf}).status_code == 303


def test_pictures_and_tables_are_shown_as_to_the_annotators(project: Project, lead: TestClient) -> None:
    shown = {"image": "ab" * 32, "columns": {"age": 41, "<b>city": None}}
    query = Query(1, 0, "picture", 0, "pool", None, {}, "random", None, shown)
    with project.ledger.begin() as tx:
        open_round(tx, replace(get_round(tx, 0), round=1), [query], now=project.clock())
    page = lead.get("/lead/review/item?item=picture").text
    assert f'src="/images/{"ab" * 32}" alt="Image of item picture"' in page
    assert '<th scope="row" dir="auto">age</th><td dir="auto">41</td>' in page
    assert '<th scope="row" dir="auto">&lt;b&gt;city</th><td dir="auto">–</td>' in page
    assert "Nobody has answered it." in page


def test_labels_that_came_by_file_are_disputed_too(project: Project, items: list[str], lead: TestClient) -> None:
    unasked = next(
        item
        for n in range(120)
        if (item := f"r<{n}>") not in items and project.snapshot.splits()[project.snapshot.find([item])[item]] == POOL
    )
    file = project.folder / "labels.csv"
    file.write_text(f"id,label,annotator\n{unasked},pos,ada\n{unasked},neg,bob\n", encoding="utf-8")
    project.import_labels(file)
    page = seen(lead, "/lead/review")
    assert unasked in page
    assert f"number {unasked.strip('r<>')} <script>" in page  # `seen` has resolved the entities
    lead.post("/lead/review", data={"item": unasked, "label": "pos"})
    assert "No item is disputed." in seen(lead, "/lead/review")


def test_an_item_that_nobody_asked_has_no_card(lead: TestClient) -> None:
    assert "Nobody was asked about this item" in seen(lead, "/lead/review/item?item=nobody")


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
