"""What a served model tells about itself: metrics, request log, prediction log."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from served import until

from querist.serving.observed import JsonLines
from querist.stages.monitoring.logs import read_log
from querist.stages.monitoring.reference import comparable, load

GOOD, BAD = {"text": "great lovely superb charming"}, {"text": "awful boring weak unheard"}


def samples(text: str) -> dict[tuple[str, ...], float]:
    """(name, label values by the order of their names) to value."""
    return {
        (sample.name.removeprefix("querist_serving_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_metrics_count_requests_items_classes_and_batches(serve) -> None:
    with serve() as client:
        client.post("/v1/predict", json={"items": [GOOD, GOOD, BAD]})
        client.post("/v1/predict", json={"text": ""})
        client.get("/no/such/path/with/secret")
        found = samples(client.get("/metrics").text)
    assert found[("requests_total", "/v1/predict", "200")] == 1
    assert found[("requests_total", "/v1/predict", "422")] == 1
    assert found[("requests_total", "other", "404")] == 1
    assert found[("request_seconds_count", "/v1/predict")] == 2
    assert (found[("predictions_total", "pos", "stable")], found[("predictions_total", "neg", "stable")]) == (2, 1)
    assert found[("confidence_count", "stable")] == 3
    assert found[("batch_items_sum",)] == 4  # the one that was refused is looked at as well
    assert found[("queue_items",)] == 0
    assert not any("secret" in part for name in found for part in name)


def test_the_request_log_names_no_item_unless_asked(serve, caplog: pytest.LogCaptureFixture, deployed) -> None:
    def lines() -> list[dict[str, object]]:
        found = [json.loads(JsonLines().format(record)) for record in caplog.records]
        caplog.clear()
        return [line for line in found if line["event"] == "request" and line["status"] == 200]

    with caplog.at_level(logging.INFO, "querist.serving"):
        with serve() as client:
            client.post("/v1/predict", json={"items": [GOOD]}, headers={"x-request-id": "abc"})
            client.get("/healthz")
        (line,) = lines()
        with serve(log_items=True) as client:
            client.post("/v1/predict", json={"items": [GOOD]}, headers={"x-request-id": 'forged"\\n'})
        (told,) = lines()
    assert {name: line[name] for name in ("request_id", "route", "status", "version", "items", "role")} == {
        "request_id": "abc",
        "route": "/v1/predict",
        "status": 200,
        "version": deployed[1][0],
        "items": 1,
        "role": "stable",
    }
    assert line["ms"] > 0
    assert "great" not in json.dumps(line)
    assert told["texts"] == [GOOD["text"]]
    assert len(told["request_id"]) == 32


def test_the_prediction_log_holds_what_drift_checks_compare(serve, deployed, tmp_path: Path) -> None:
    folder, versions = deployed
    facts = json.loads((folder / "versions" / versions[0] / "model.json").read_text())
    with serve(log_folder=str(tmp_path / "log")) as client:
        single = client.post("/v1/predict", json=GOOD, headers={"x-request-id": "one"}).json()["predictions"][0]
        client.post("/v1/predict", json={"items": [GOOD, BAD]}, headers={"x-request-id": "two"})
    rows = read_log(tmp_path / "log", facts["model_version"])
    assert rows is not None
    assert sorted(rows.request_ids) == ["one", "two-0", "two-1"]
    at = rows.request_ids.index("one")
    assert rows.proba[at].tolist() == pytest.approx([single["probabilities"][name] for name in facts["classes"]])
    assert rows.n_chars[at] == len(GOOD["text"])
    assert rows.unseen[rows.request_ids.index("two-1")] == pytest.approx(0.25)
    assert rows.items == (None, None, None)
    assert np.linalg.norm(rows.embeddings[at].astype(np.float64)) == pytest.approx(1, abs=1e-2)
    reference = load((folder / "versions" / versions[0] / "reference.npz").read_bytes())
    kept, window = comparable(reference.sample, rows)
    assert kept.lengths is not None
    assert len(window) == 3


@pytest.mark.parametrize("keep", ["texts", "none"])
def test_the_prediction_log_keeps_of_items_what_it_may(serve, deployed, tmp_path: Path, keep: str) -> None:
    folder, versions = deployed
    facts = json.loads((folder / "versions" / versions[0] / "model.json").read_text())
    with serve(log_folder=str(tmp_path / "log"), log_keep=keep) as client:
        client.post("/v1/predict", json=GOOD)
    rows = read_log(tmp_path / "log", facts["model_version"])
    assert rows is not None
    assert rows.items == (json.dumps(GOOD) if keep == "texts" else None,)
    assert rows.embeddings.shape[1] == (0 if keep == "none" else 64)
    assert np.isnan(rows.n_chars).all() == (keep == "none")


def test_a_share_of_the_requests_is_logged(serve, deployed, tmp_path: Path) -> None:
    with serve(log_folder=str(tmp_path / "log"), log_share=0.5) as client:
        for number in range(60):
            client.post("/v1/predict", json=GOOD, headers={"x-request-id": f"r{number}"})
    facts = json.loads((deployed[0] / "versions" / deployed[1][0] / "model.json").read_text())
    rows = read_log(tmp_path / "log", facts["model_version"])
    assert rows is not None
    assert 15 <= len(rows) <= 45


def test_a_log_that_cannot_be_written_harms_no_answer(serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from querist.stages.monitoring.logs import PredictionLog

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(PredictionLog, "_write", full)
    monkeypatch.setattr("querist.stages.monitoring.logs.FLUSH_SECONDS", 0.05)
    with serve(log_folder=str(tmp_path / "log")) as client:
        assert client.post("/v1/predict", json={"items": [GOOD, BAD]}).status_code == 200
        until(lambda: samples(client.get("/metrics").text)[("log_rows", "dropped")] in (0, 2))
        assert client.post("/v1/predict", json=GOOD).status_code == 200
