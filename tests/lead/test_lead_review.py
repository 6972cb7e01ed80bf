"""The lead's review page: what is disputed or remarked, and what a decision does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html import unescape

from fastapi.testclient import TestClient

from querist.pipeline.human_labeling.review import relabel_or_wait, rule
from querist.pipeline.project import Project
from querist.snapshots.snapshot import POOL
from querist.store.annotations import list_annotations
from querist.store.rounds import Query, get_round, open_round
from querist.web.app import create_app
from querist.web.auth import Gate

Answering = Callable[..., None]


def seen(client: TestClient, path: str) -> str:
    """The page in one line, entities resolved."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return " ".join(unescape(answer.text).split())


def test_of_many_labels_those_given_have_buttons_and_a_list_has_all(
    disagreed: Project, items: list[str], open_lead: Callable[[Project], TestClient]
) -> None:
    file = disagreed.folder / "querist.toml"
    more = ", ".join(f'"label {n}"' for n in range(74))
    file.write_text(file.read_text().replace('"<i>odd</i>"]', f'"<i>odd</i>", {more}]'))
    page = seen(open_lead(Project(disagreed.folder)), f"/lead/review/item?item={items[0]}")
    assert page.count('<button name="label"') == 2
    assert page.count("<option ") == 77


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
