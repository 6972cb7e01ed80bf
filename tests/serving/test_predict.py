"""What a served model answers, and what it refuses."""

from __future__ import annotations

import time

import numpy as np
import pytest

from querist.core.errors import SettingError
from querist.pipeline.human_labeling.predictor import Predictor, Subject
from querist.pipeline.project import Project
from querist.serving import switch
from querist.serving.app import create_app
from querist.serving.model import ServedModel
from querist.serving.settings import settings

GOOD, BAD = {"text": "great lovely superb charming"}, {"text": "awful boring weak stupid"}
UNSURE = {"text": "entirely unknown words"}


def test_one_item_gets_its_label_probabilities_and_uncertainty(serve, deployed) -> None:
    with serve() as client:
        answer = client.post("/v1/predict", json=GOOD, headers={"x-request-id": "abc-1"})
    assert answer.status_code == 200
    found = answer.json()
    (one,) = found["predictions"]
    assert (found["request_id"], found["model_version"], one["label"]) == ("abc-1", deployed[1][0], "pos")
    assert (answer.headers["x-request-id"], answer.headers["x-model-version"]) == ("abc-1", deployed[1][0])
    assert sum(one["probabilities"].values()) == pytest.approx(1)
    assert one["uncertainty"] == pytest.approx(1 - abs(one["probabilities"]["pos"] - one["probabilities"]["neg"]))


def test_many_items_are_answered_in_their_order(serve) -> None:
    with serve() as client:
        items = [GOOD, BAD, GOOD, BAD]
        answer = client.post("/v1/predict", json={"items": items}).json()
        assert [one["label"] for one in answer["predictions"]] == ["pos", "neg", "pos", "neg"]
        alone = [client.post("/v1/predict", json=item).json()["predictions"][0] for item in items]
    for together, single in zip(answer["predictions"], alone, strict=True):
        assert together["probabilities"] == pytest.approx(single["probabilities"])


def test_the_answers_are_those_of_the_project(built, serve, deployed) -> None:
    """Raw texts, with all that the preprocessing steps clean away."""
    project = Project(built[0].parent)
    texts = ["<b>great</b>  lovely\u00a0day", "AWFUL &amp; boring", "word1 word2", "fine\x00 cold \ufb01ne"]
    version, wanted = Predictor(project).predict([Subject(text=text) for text in texts])
    with serve() as client:
        (deployed[0] / "current").write_text(deployed[1][1])
        assert client.post("/v1/model/reload").json() == {"before": deployed[1][0], "now": deployed[1][1]}
        assert client.get("/v1/model").json()["model_version"] == version
        answer = client.post("/v1/predict", json={"items": [{"text": text} for text in texts]}).json()
    for found, expected in zip(answer["predictions"], wanted, strict=True):
        assert found["probabilities"] == pytest.approx(expected, abs=1e-12)


def test_it_abstains_below_the_threshold_and_says_its_best_guess_still(serve, deployed) -> None:
    with serve() as client:
        threshold = client.get("/v1/model").json()["abstain"]["threshold"]
        found = client.post("/v1/predict", json={"items": [GOOD, BAD, UNSURE]}).json()["predictions"]
    for one in found:
        assert one["abstain"] == (max(one["probabilities"].values()) < threshold)
        assert one["label"] == max(one["probabilities"], key=one["probabilities"].get)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"text": "   "}, 422, "item 0: no text"),
        ({"items": [GOOD, {"text": ""}]}, 422, "item 1: no text"),
        ({"items": []}, 422, "items"),
        ({"items": [GOOD] * 1025}, 422, "items"),
        ({"text": "a", "more": 1}, 422, "more"),
        ({}, 422, ""),
        ({"columns": {"other": "x"}}, 422, "item 0 lacks column 'text'; this model reads text"),
        ({"image": "aGVsbG8="}, 422, "item 0 is 'image', but this model reads \"text\""),
        ({"text": "x" * 100_001}, 413, "item 0 has 100001 characters; an item has at most 100000"),
    ],
)
def test_what_cannot_be_predicted_is_refused_with_the_reason(serve, body, status, said) -> None:
    with serve() as client:
        answer = client.post("/v1/predict", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert said in answer.json()["detail"]


def test_text_may_come_as_a_column_too(serve) -> None:
    with serve() as client:
        answer = client.post("/v1/predict", json={"columns": {**GOOD, "product": "ignored"}}).json()
    assert answer["predictions"][0]["label"] == "pos"


def test_no_answer_repeats_the_item(serve) -> None:
    with serve() as client:
        for body in (b'{"text": "secret', b'{"text": ["secret"]}', b'{"columns": {"secret2": "secret"}}'):
            answer = client.post("/v1/predict", content=body, headers={"content-type": "application/json"})
            assert answer.status_code == 422
            assert '"secret"' not in answer.text


def test_large_bodies_and_many_requests_are_refused(serve) -> None:
    with serve(body_bytes=2000, per_minute=2) as client:
        assert client.post("/v1/predict", json={"text": "x" * 3000}).status_code == 413
        assert client.post("/v1/predict", json=GOOD).status_code == 200
        refused = client.post("/v1/predict", json=GOOD)
        assert client.get("/healthz").status_code == 200
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 60


def test_a_slow_model_gives_504_and_a_full_queue_503(serve, monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures import ThreadPoolExecutor

    predict = ServedModel.predict

    def slow(self: ServedModel, items: object) -> object:
        time.sleep(1.5)
        return predict(self, items)

    with serve(queue_items=1, request_seconds=1.0) as client:
        monkeypatch.setattr(ServedModel, "predict", slow)
        with ThreadPoolExecutor(6) as people:
            answers = list(people.map(lambda _: client.post("/v1/predict", json=GOOD), range(6)))
    found = {answer.status_code for answer in answers}
    assert found == {503, 504}
    assert all(answer.headers["retry-after"] == "1" for answer in answers if answer.status_code == 503)


def test_a_model_that_fails_says_what_kind_of_failure_and_nothing_of_the_item(
    serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: ServedModel, items: list[tuple[str]]) -> None:
        raise ValueError(f"could not convert string to float: {items[0][0]}")

    with serve() as client:
        monkeypatch.setattr(ServedModel, "predict", fail)
        answer = client.post("/v1/predict", json={"text": "my secret"})
    assert answer.status_code == 500
    assert answer.json()["detail"] == "the model failed on this request (ValueError)"


def test_a_model_that_loses_an_item_gives_nobody_the_answer_to_another_request(
    serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict = ServedModel.predict
    with serve() as client:
        monkeypatch.setattr(ServedModel, "predict", lambda self, items: predict(self, items[:1]))
        assert client.post("/v1/predict", json={"items": [GOOD, BAD]}).status_code == 500
        assert client.post("/v1/predict", json=GOOD).status_code == 200


def test_an_item_weighs_its_characters_and_an_image_more_than_the_event_loop_takes() -> None:
    assert switch.weigh({"text": "great"}) == 105
    assert switch.weigh({"columns": {"title": "great", "stars": 4.5, "seen": None}}) == 125
    assert switch.weigh({"image": b"GIF89a"}) == float("inf")


def test_not_ready_before_a_version_is_current_and_ready_once_it_is(deployed) -> None:
    from fastapi.testclient import TestClient
    from served import until

    folder, versions = deployed
    (folder / "current").unlink()
    with TestClient(create_app(folder, settings({"poll_seconds": 0.02}, env={}))) as client:
        time.sleep(0.1)
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
        assert client.post("/v1/predict", json=GOOD).status_code == 503
        (folder / "current").write_text(versions[1])
        until(lambda: client.get("/readyz").status_code == 200)
        assert client.get("/readyz").json() == {"status": "ok", "version": versions[1]}


def test_a_changed_file_is_never_opened(deployed) -> None:
    from fastapi.testclient import TestClient

    folder, versions = deployed
    path = folder / "versions" / versions[0] / "model.skops"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with TestClient(create_app(folder, settings({"poll_seconds": 0.02}, env={})), client=("127.0.0.1", 5)) as client:
        time.sleep(0.2)
        assert client.get("/readyz").status_code == 503
        answer = client.post("/v1/model/reload")
        assert answer.status_code == 409
        assert "missing or not as it was built" in answer.json()["detail"]


def test_only_the_operator_reloads(serve, deployed) -> None:
    with serve(token="let me in") as client:
        for headers in ({"origin": "https://elsewhere.example"}, {"x-forwarded-for": "10.0.0.1"}):
            assert client.post("/v1/model/reload", headers=headers).status_code == 403
            with_token = {**headers, "authorization": "Bearer let me in"}
            assert client.post("/v1/model/reload", headers=with_token).status_code == 200
        assert client.post("/v1/model/reload").status_code == 200


def test_settings_come_from_the_environment_and_bad_ones_are_named() -> None:
    env = {"QUERIST_SERVING_MAX_BATCH": "8", "QUERIST_SERVING_LOG_ITEMS": "true", "OTHER": "1"}
    found = settings({"max_wait_ms": 3}, env=env)
    assert (found.max_batch, found.max_wait_ms, found.log_items) == (8, 3.0, True)
    with pytest.raises(SettingError, match=r"serving setting max_batch = '0': .*Items that one call"):
        settings(env={"QUERIST_SERVING_MAX_BATCH": "0"})
    with pytest.raises(SettingError, match="serving setting max_bath"):
        settings({"max_bath": 3}, env={})


def test_a_canary_is_drawn_by_the_request_and_its_share_holds() -> None:
    one, other = object(), object()
    state = switch.State(
        switch.Rollout(canary="c", share=0.1, every=4), {"stable": one, "canary": other, "shadow": one}
    )
    ids = [f"request {n}" for n in range(4000)]
    drawn = np.array([state.pick(name)[0] == "canary" for name in ids])
    assert drawn.mean() == pytest.approx(0.1, abs=0.02)
    assert [state.pick(name)[0] == "canary" for name in ids] == drawn.tolist()
    assert np.mean([state.shadowed(name) for name in ids]) == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_a_body_without_its_content_type_is_told_which(serve, kind: str | None) -> None:
    headers = {"content-type": kind} if kind else {}
    with serve() as client:
        answer = client.post("/v1/predict", content=b'{"text": "great"}', headers=headers)
        assert client.post("/v1/predict", json=["great"]).json()["detail"].startswith("body")
    assert answer.status_code == 422
    assert "content-type: application/json" in answer.json()["detail"]
