"""A model of several labels: judged, deployed, served; its answers are those of the project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("prometheus_client", reason="the extra serve is not installed")

from served import opened, until

from querist.core.errors import SettingError
from querist.core.label_sets import LabelSets
from querist.orchestration.plan import plan_of
from querist.pipeline.deploy.bundling import _known, build
from querist.pipeline.deploy.deploying import gate, promote
from querist.pipeline.project import Project
from querist.serving.app import create_app
from querist.serving.comparison import Agreement
from querist.serving.model import open_model
from querist.serving.settings import ServingSettings
from querist.stages.deploy.bundle import current, open_bundle, read_facts
from querist.stages.monitoring.said import said as said_of

Make = Callable[..., Project]
NEWS = ["the vote and the bank of the party price law", "goal match team", "word1 word2 word3"]


@pytest.fixture
def trained(make: Make) -> Project:
    project = make()
    project.run(rounds=1, oracle="topics")
    return project


def test_the_gate_compares_sets_and_a_workflow_deploys_what_passes(trained: Project) -> None:
    found = gate(trained, first_of(trained))
    assert [one["name"] for one in found["criteria"]] == ["better", "classes", "calibration"]
    assert "macro_f1" in found["criteria"][0]["reason"]
    assert "shares of the classes" in found["criteria"][0]["reason"]
    version = promote(trained, first_of(trained), force="test")["version"]
    facts = read_facts(trained.folder / "deploy", version)
    assert facts["data"]["labels"] == "several"
    assert "reference.npz" in facts["files"]
    assert not plan_of(trained, shape="event").monitor, "no log is set"
    later = gate(trained)
    assert later["compared"]["n"] == found["compared"]["n"]
    assert later["compared"]["gain"] == pytest.approx(later["compared"]["value"] - later["compared"]["before"])


def test_the_served_model_says_the_labels_that_are_likelier_than_not(trained: Project, tmp_path: Path) -> None:
    folder, version = trained.folder / "deploy", promote(trained, force="test")["version"]
    build(trained, first_of(trained))
    proba, _ = open_bundle(folder, version).predict({"text": NEWS})
    settings = ServingSettings(log_folder=str(tmp_path / "log"), shadow=other(folder, version), every=1)
    with opened(create_app(folder, settings)) as client:
        until(lambda: "shadow" in client.get("/v1/rollout").json()["roles"])
        answer = client.post("/v1/predict", json={"items": [{"text": text} for text in NEWS]}).json()
        until(lambda: client.get("/v1/rollout").json()["shadow"]["items"] == 3)
        rollout = client.get("/v1/rollout").json()
        classes = client.get("/v1/model").json()["classes"]
    for said, row in zip(answer["predictions"], proba, strict=True):
        assert "label" not in said
        assert said["labels"] == [name for name, p in zip(classes, row, strict=True) if p > 0.5]
        assert list(said["probabilities"].values()) == pytest.approx(row.tolist())
        assert said["uncertainty"] == pytest.approx(np.mean([1 - abs(p - (1 - p)) for p in row]))
    assert rollout["roles"]["stable"]["items"] == 3
    assert sum(rollout["roles"]["stable"]["labels"].values()) == sum(
        len(one["labels"]) for one in answer["predictions"]
    )
    assert 0 <= rollout["shadow"]["distance"] <= 1
    logged = read(tmp_path / "log")
    assert logged == [LabelSets(";").join(one["labels"]) for one in answer["predictions"]]


def test_two_models_agree_on_an_item_when_they_say_the_same_labels() -> None:
    agreement = Agreement()
    was, now = np.array([[0.9, 0.8], [0.1, 0.2]]), np.array([[0.6, 0.7], [0.1, 0.6]])
    assert agreement.add(["a", "b"], was, ["a", "b"], now, sets=LabelSets(";")) == 1
    found = agreement.facts()
    assert found["disagreed"] == [{"stable": "(none)", "shadow": "b", "items": 1}]
    assert found["distance"] == pytest.approx((0.3 + 0.1 + 0.0 + 0.4) / 4)


def test_the_log_names_the_set_and_how_sure_its_least_sure_label_is() -> None:
    said = said_of(np.array([[0.9, 0.5, 0.4], [0.0, 0.0, 1.0]]), ["a", "b", "c"], LabelSets(";"))
    assert said["label"] == ["a", "c"]
    assert said["confidence"].tolist() == [0.5, 1.0]
    assert said["entropy"].tolist() == pytest.approx([(0.3251 + 0.6931 + 0.6730) / 3, 0], abs=1e-4)


def test_a_risk_is_that_of_whole_sets(make: Make) -> None:
    project = make(more="[deploy]\nrisk = 0.6\n")
    project.run(rounds=3, oracle="topics")
    promote(project, force="test")
    folder = project.folder / "deploy"
    facts = read_facts(folder, current(folder) or "")
    at = facts["abstain"]["threshold"]
    assert 0.5 <= at <= 1
    model = open_model(folder, facts["version"], pixels=1)
    proba = np.array([[at - 0.01, 1, 0, 0], [at, 1, 0, 1 - at]])
    assert model.answers(proba).abstain.tolist() == [True, False]
    path = project.folder / "querist.toml"
    path.write_text(path.read_text().replace("risk = 0.6", "risk = 0.0001"), encoding="utf-8")
    with pytest.raises(SettingError, match="no confidence promises it"):
        build(Project(project.folder))


def test_what_the_model_does_not_know_takes_no_part_in_the_promise() -> None:
    members = np.array([[1, 0, 0], [1, 0, 1], [0, 1, 0]], dtype=bool)
    codes, known = _known(members, np.array([1, -1, 0]), 2)
    assert known.tolist() == [True, True, False]
    assert codes.tolist() == [[False, True], [True, True]]
    codes, known = _known(np.array([0, 1, 2]), np.array([1, -1, 0]), 2)
    assert (codes.tolist(), known.tolist()) == ([1, 0], [True, False, True])


def first_of(project: Project) -> str:
    return str(project.show_round(0)["models"][0]["version"])


def other(folder: Path, version: str) -> str:
    return next(path.name for path in (folder / "versions").iterdir() if path.name != version)


def read(folder: Path) -> list[str]:
    import pyarrow.parquet as pq

    rows = [row for file in folder.glob("*.parquet") for row in pq.read_table(file).to_pylist()]
    return [row["label"] for row in sorted(rows, key=lambda row: row["at"])]
