"""Versions change under load, and versions run beside each other."""

from __future__ import annotations

import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from served import running, until

from querist.serving.app import create_app
from querist.serving.settings import ServingSettings
from querist.stages.deploy.bundle import activate

GOOD, BAD = {"text": "great lovely superb charming"}, {"text": "awful boring weak stupid"}


def test_no_request_is_lost_while_versions_change_and_each_answer_is_of_the_version_it_names(deployed) -> None:
    folder, versions = deployed
    stop = threading.Event()
    found: list[tuple[int, str, str, float]] = []

    def ask(port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        while not stop.is_set():
            connection.request("POST", "/v1/predict", json.dumps(GOOD), {"content-type": "application/json"})
            answer = connection.getresponse()
            body = json.loads(answer.read())
            at = body["predictions"][0]["probabilities"]["pos"]
            found.append((answer.status, answer.headers["x-model-version"], body["model_version"], at))
        connection.close()

    with running(create_app(folder, ServingSettings(poll_seconds=0.02))) as port:
        until(lambda: _get(port, "/readyz")[0] == 200)
        with ThreadPoolExecutor(4) as people:
            asked = [people.submit(ask, port) for _ in range(4)]
            for turn in range(6):
                activate(folder, versions[(turn + 1) % 2])
                until(lambda turn=turn: _get(port, "/readyz")[1]["version"] == versions[(turn + 1) % 2])
                n_before = len(found) + 8  # each of the four has asked again since
                until(lambda n=n_before: len(found) >= n)
            stop.set()
            for part in asked:
                part.result()
    assert {status for status, *_ in found} == {200}
    assert all(header == body for _, header, body, _ in found)
    said = {version: {round(p, 12) for _, at, _, p in found if at == version} for version in versions}
    assert [len(values) for values in said.values()] == [1, 1]
    assert said[versions[0]] != said[versions[1]]


def test_a_version_that_cannot_be_opened_leaves_the_old_one_answering(serve, deployed) -> None:
    folder, versions = deployed
    with serve() as client:
        (folder / "current").write_text("0123456789ab")
        until(lambda: 'querist_serving_model_loads_total{outcome="failed"}' in client.get("/metrics").text)
        assert client.get("/readyz").json()["version"] == versions[0]
        answer = client.post("/v1/model/reload")
        assert (answer.status_code, versions[1] in answer.json()["detail"]) == (409, True)
        (folder / "current").write_text("../../etc")
        assert client.post("/v1/model/reload").status_code == 409
        assert client.post("/v1/predict", json=GOOD).status_code == 200
        activate(folder, versions[1])
        until(lambda: client.get("/readyz").json()["version"] == versions[1])


def test_a_canary_answers_its_share_and_both_are_counted(serve, deployed) -> None:
    with serve(canary=deployed[1][1], share=0.5) as client:
        until(lambda: "canary" in client.get("/v1/rollout").json()["roles"])
        answers = [client.post("/v1/predict", json=GOOD, headers={"x-request-id": f"r{n}"}) for n in range(40)]
        again = [client.post("/v1/predict", json=GOOD, headers={"x-request-id": f"r{n}"}) for n in range(40)]
        facts = client.get("/v1/rollout").json()
    by = [answer.headers["x-model-version"] for answer in answers]
    assert by == [answer.headers["x-model-version"] for answer in again]
    assert {name: role["requests"] for name, role in facts["roles"].items()} == {
        "stable": 2 * by.count(deployed[1][0]), "canary": 2 * by.count(deployed[1][1])
    }  # fmt: skip
    assert 8 <= by.count(deployed[1][1]) <= 32
    assert facts["roles"]["canary"]["labels"]["pos"] == 2 * by.count(deployed[1][1])
    assert facts["roles"]["stable"]["p99_ms"] >= facts["roles"]["stable"]["p50_ms"] > 0


def test_a_shadow_is_compared_and_never_answers(serve, deployed) -> None:
    folder, versions = deployed
    (folder / "rollout.json").write_text(json.dumps({"shadow": versions[1], "every": 1}))
    with serve() as client:
        until(lambda: "shadow" in client.get("/v1/rollout").json()["roles"])
        for _ in range(5):
            answer = client.post("/v1/predict", json={"items": [GOOD, BAD]})
            assert answer.headers["x-model-version"] == versions[0]
        until(lambda: client.get("/v1/rollout").json()["shadow"]["items"] == 10)
        facts = client.get("/v1/rollout").json()
        text = client.get("/metrics").text
    assert facts["shadow"]["agreement"] == 1.0
    assert 0.65 < facts["shadow"]["low"] < 1.0
    assert 0 < facts["shadow"]["distance"] < 1
    assert facts["roles"]["shadow"]["version"] == versions[1]
    assert "querist_serving_shadow_agreed_total 10.0" in text


def test_rollout_json_is_followed_and_a_canary_that_becomes_current_is_not_opened_again(serve, deployed) -> None:
    folder, versions = deployed

    def opened(client) -> str:
        return next(x for x in client.get("/metrics").text.splitlines() if 'loads_total{outcome="done"}' in x)

    with serve() as client:
        (folder / "rollout.json").write_text(json.dumps({"canary": versions[1], "share": 1.0}))
        until(lambda: client.post("/v1/predict", json=GOOD).headers["x-model-version"] == versions[1])
        activate(folder, versions[1])
        until(lambda: client.get("/readyz").json()["version"] == versions[1])
        (folder / "rollout.json").unlink()
        assert list(client.get("/v1/rollout").json()["roles"]) == ["stable"]
        assert opened(client).endswith(" 2.0")
        (folder / "rollout.json").write_text(json.dumps({"canary": "no-such-version"}))
        assert client.post("/v1/model/reload").status_code == 200
        assert list(client.get("/v1/rollout").json()["roles"]) == ["stable"]
        activate(folder, versions[0])
        (folder / "rollout.json").write_text('{"canary": 3, "surprise": 1}')
        until(lambda: client.get("/readyz").json()["version"] == versions[0])


@pytest.mark.parametrize("name", ["stable", "shadow"])
def test_the_metrics_name_the_version_of_each_role(serve, deployed, name: str) -> None:
    with serve(shadow=deployed[1][1]) as client:
        until(lambda: "shadow" in client.get("/v1/rollout").json()["roles"])
        text = client.get("/metrics").text
    version = deployed[1][0 if name == "stable" else 1]
    assert f'querist_serving_model_info{{pipeline_version="0.1.0",role="{name}",version="{version}"}} 1.0' in text


def _get(port: int, path: str) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())
