"""Label Studio's JSON, out and in, without a Label Studio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.core.errors import SettingError
from querist.stages.human_labeling.label_studio import (
    Control,
    changes,
    data_of,
    find_control,
    label_config,
    model_tag,
    prediction_of,
    served_score,
)
from querist.stages.human_labeling.step import is_gold
from querist.store.annotations import Annotation
from querist.store.rounds import Query

LABELS = ("neg", "pos")
CONTROL = Control("label", "text", LABELS)
PAYLOAD = {"text": "fine", "prediction": {"pos": 0.7, "neg": 0.3}, "reason": "margin 0.4", "context": {"product": "p"}}
QUERY = Query(2, 3, "r7", 7, "pool", 0.5, {}, "auto", "r001-ab", PAYLOAD)


def time(second: int) -> str:
    return f"2026-01-01T00:00:{second:02d}.000000Z"


def given_by(number: int, label: str | None, *, second: int = 1, lead_time: float | None = 1.0) -> dict[str, Any]:
    chosen = [] if label is None else [{"from_name": "label", "type": "choices", "value": {"choices": [label]}}]
    times = {"created_at": time(0), "updated_at": time(second)}
    rest = {"completed_by": 1, "lead_time": lead_time, "was_cancelled": label is None}
    return {"id": number, "result": chosen, **times, **rest}


def task(*said: Mapping[str, Any], second: int = 9) -> dict[str, Any]:
    return {"id": 4, "created_at": time(0), "updated_at": time(second), "annotations": list(said)}


def read(found: Mapping[str, Any], known: list[Annotation]) -> tuple[list[Annotation], list[str]]:
    how: dict[str, Any] = {"classes": LABELS, "names": {1: "ada@example.com"}, "shown": "never"}
    new, refused = changes(found, QUERY, known, CONTROL, **how)
    return new, [one.why for one in refused]


def test_a_label_config_shows_the_item_its_context_and_the_labels() -> None:
    config = label_config("text", ["a<b", 'say "x"'], context=True)
    tags = [tag.tag for tag in ElementTree.fromstring(config).iter()]
    assert tags == ["View", "Text", "Table", "Choices", "Choice", "Choice"]
    assert find_control(config, ["a<b"]) == Control("label", "text", ("a<b", 'say "x"'))
    assert 'zoom="true"' in label_config("image", LABELS, context=False)
    assert 'value="$columns"' in label_config("tabular", LABELS, context=False)


def test_the_control_with_the_labels_is_found_among_several() -> None:
    other = '<Choices name="mood" toName="t"><Choice value="x"/></Choices>'
    ours = '<Choices name="c" toName="t"><Choice value="Good" alias="pos"/><Choice value="neg"/></Choices>'
    assert find_control(f"<View>{other}{ours}</View>", LABELS) == Control("c", "t", ("pos", "neg"))
    with pytest.raises(SettingError, match=r"does not offer \['odd'\]"):
        find_control(f"<View>{ours}</View>", [*LABELS, "odd"])
    with pytest.raises(SettingError, match="no <Choices>"):
        find_control("<View/>", LABELS)
    with pytest.raises(SettingError, match="not valid XML"):
        find_control("<View>", LABELS)


def test_an_answer_to_a_gold_item_is_no_vote() -> None:
    gold = replace(QUERY, payload={"gold": True})
    how: dict[str, Any] = {"classes": LABELS, "names": {}, "shown": "never"}
    (made,), _ = changes(task(given_by(1, "pos")), gold, [], CONTROL, **how)
    assert is_gold(made)


def test_scores_serve_older_rounds_first_and_then_by_rank() -> None:
    def score(round: int, rank: int) -> float:
        query = Query(round, rank, "x", 0, "pool", None, {}, "auto", None, {})
        return served_score(query, newest=3, n_asked=10)

    scores = [score(round, rank) for round in (1, 2, 3) for rank in range(10)]
    assert scores == sorted(set(scores))
    assert (scores[0], score(3, 0), score(3, 5)) == (0.125, 0.5, 0.75)
    assert max(scores) < 1


def test_a_task_carries_our_id_and_the_true_confidence() -> None:
    assert data_of(QUERY, "text", None) == {
        "querist_id": "r7",
        "querist_round": 2,
        "querist_rank": 4,
        "text": "fine",
        "context": {"product": "p"},
        "confidence": 0.7,
        "reason": "margin 0.4",
    }
    assert model_tag([QUERY]) == "round-2-r001-ab"


def test_a_prediction_is_the_likeliest_label() -> None:
    chosen = {"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": ["pos"]}}
    proba = PAYLOAD["prediction"]
    assert isinstance(proba, dict)
    assert prediction_of(proba, CONTROL, version="m") == {"model_version": "m", "score": 0.7, "result": [chosen]}
    assert prediction_of(proba, CONTROL, version="m", score=0.5)["score"] == 0.5
    assert prediction_of(None, CONTROL, version="m") == {"model_version": "m", "score": 0.0, "result": []}


def test_an_answer_a_correction_and_a_deletion_are_three_rows() -> None:
    (answer,), _ = read(task(given_by(1, "pos", lead_time=2.0)), [])
    assert (answer.label, answer.annotator, answer.seconds, answer.split) == ("pos", "ada@example.com", 2.0, "pool")
    assert (answer.id, answer.at) == (f"ls:1@{time(0)}", "2026-01-01T00:00:01.000+00:00")
    assert answer.details["shown"] == "never"
    (second,), _ = read(task(given_by(1, "neg", second=3, lead_time=5.0)), [answer])
    assert (second.supersedes, second.label, second.seconds) == (answer.id, "neg", 3.0)
    (undo,), _ = read(task(), [answer, second])
    assert (undo.kind, undo.supersedes, undo.label) == ("undo", second.id, None)
    assert read(task(), [answer, second, undo]) == ([], [])


def test_a_cancelled_annotation_is_a_skip() -> None:
    (skip,), _ = read(task(given_by(1, None)), [])
    assert (skip.label, skip.kind) == (None, "answer")


def test_what_is_no_label_is_refused_and_the_rest_is_taken() -> None:
    two = given_by(2, "pos")
    two["result"] = [{"from_name": "label", "type": "choices", "value": {"choices": ["pos", "neg"]}}]
    none = {**given_by(3, None), "was_cancelled": False}
    new, refused = read(task(given_by(1, "odd"), two, none, given_by(4, "neg")), [])
    assert [row.label for row in new] == ["neg"]
    assert refused == ['unknown label "odd"', "2 labels where one is asked", "0 labels where one is asked"]


def test_what_was_undone_or_corrected_here_does_not_come_back() -> None:
    said = task(given_by(1, "pos"))
    (answer,), _ = read(said, [])
    undo = answer._replace(id="undo", kind="undo", label=None, supersedes=answer.id, annotator="lead", details={})
    assert read(said, [answer, undo]) == ([], [])


def test_a_label_studio_that_was_set_up_anew_undoes_nothing() -> None:
    (answer,), _ = read(task(given_by(1, "pos")), [])
    assert read({**task(), "created_at": time(30)}, [answer]) == ([], [])


LABEL = st.sampled_from(["pos", "neg", None])


@given(st.lists(st.tuples(st.integers(1, 3), st.one_of(LABEL, st.just("delete"))), max_size=12))
def test_however_people_change_their_minds_the_standing_answers_are_theirs(acts: list[tuple[int, str | None]]) -> None:
    there: dict[int, dict[str, Any]] = {}
    gone: set[int] = set()
    record: list[Annotation] = []
    for second, (number, act) in enumerate(acts, start=1):
        if number in gone:
            continue
        if act == "delete":
            gone |= {number} if there.pop(number, None) else set()
        else:
            there[number] = given_by(number, act, second=second)
        found = task(*there.values(), second=second)
        new, _ = read(found, record)
        record += new
        assert read(found, record) == ([], [])
    superseded = {row.supersedes for row in record}
    standing = [row for row in record if row.kind == "answer" and row.id not in superseded]
    expected = {
        one["id"]: None if one["was_cancelled"] else one["result"][0]["value"]["choices"][0] for one in there.values()
    }
    assert {int(row.id.split("@")[0].removeprefix("ls:")): row.label for row in standing} == expected
    assert len({row.id for row in record}) == len(record)
