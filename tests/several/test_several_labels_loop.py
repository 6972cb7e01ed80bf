"""The whole loop where an item may have several labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from querist.config import parse
from querist.core.errors import SettingError, UnknownName
from querist.pipeline.conditions import deciding
from querist.pipeline.doctor import check_settings
from querist.pipeline.project import Project
from querist.store.annotations import list_annotations
from querist.store.rounds import list_queries

Make = Callable[..., Project]


def test_the_model_gets_better_and_a_resumed_run_ends_with_the_same_record(make: Make) -> None:
    whole, parts = make("whole"), make("parts")
    whole.run(oracle="topics", rounds=3)
    for number in range(4):
        parts.run(oracle="topics", rounds=number)
    assert whole.digest() == parts.digest()
    values = [row["value"] for row in whole.status()["rounds"]]
    assert values[-1] > values[0] + 0.1
    assert values[-1] > 0.8
    with whole.ledger.read() as tx:
        given, asked = list_annotations(tx), list_queries(tx, 1)
    assert {"(none)", "politics", "economy;politics"} <= {a.label for a in given}
    assert asked[0].payload["reason"].startswith("unsure of ")
    assert set(asked[0].parts) == {"margin"}


def test_what_the_record_says_can_be_shown(make: Make) -> None:
    project = make()
    project.run(oracle="topics", rounds=1)
    found = project.quality()
    assert found is not None
    assert found["several"]
    assert found["confusion"]["classes"] == []
    assert [row["class"] for row in found["per_class"]] == ["economy", "politics", "rare", "sport"]
    assert {"accuracy", "samples_f1", "hamming_loss"} <= {row["name"] for row in found["metrics"]}
    assert found["calibration"]["bins"]
    shown = project.show_round(1)["metrics"]
    assert {"f1:rare", "macro_f1", "ece"} <= set(shown)
    from querist.pipeline.evaluation.diagnostics import diagnostics
    from querist.pipeline.reporting.findings import findings
    from querist.pipeline.reporting.model_card import model_card
    from querist.stages.reporting.report_markdown import report_markdown

    balance = {row["class"]: row["holdout"] for row in diagnostics(project)["class_balance"]}
    assert sum(balance.values()) != pytest.approx(1.0), "shares are those of items, of which some have several labels"
    rows = model_card(project)["per_class"]
    assert [row["class"] for row in rows] == ["economy", "politics", "rare", "sport"]
    assert sum(row["n"] for row in rows) > found["n"] / 2
    assert "F1 of items" in report_markdown(findings(project), audience="engineer")


def test_labels_that_came_with_the_data_count_and_the_rest_is_asked(make: Make) -> None:
    project = make(more="[labeling]\nstart_rounds = false")
    assert project.run(rounds=1).status == "stopped", "every item of the pool has its labels already"
    assert project.status()["rounds"][0]["labels"] > 100


@pytest.mark.parametrize(
    "strategy", ["random", "uncertainty:mmc", "kmeans", "core_set", "typiclust", "prob_cover", "density", "adaptive"]
)
def test_strategies_that_need_no_class_can_be_set(strategy: str) -> None:
    check_settings(parse({"data": {"text": ["t"], "labels": "several"}, "query": {"strategy": strategy}}))


@pytest.mark.parametrize("strategy", ["badge", "cal", "qbc", "quota", "fisher", "stratified"])
def test_strategies_that_need_one_class_are_refused_with_those_that_work(strategy: str) -> None:
    settings = parse({"data": {"text": ["t"], "labels": "several"}, "query": {"strategy": strategy}})
    with pytest.raises(SettingError, match="auto, cluster_margin, core_set") as refused:
        check_settings(settings)
    assert "badge" not in str(refused.value).partition("can be had")[2]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"measures": {"ratio": 1.0}}, UnknownName),
        ({"class_weights": {"a": 2.0}}, SettingError),
        ({"strategy": "kmeans:ratio"}, UnknownName),
    ],
)
def test_measures_of_one_label_are_refused(query: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        check_settings(parse({"data": {"text": ["t"], "labels": "several"}, "query": query}))


def test_strategies_are_compared(make: Make) -> None:
    strategies = ["auto", "uncertainty:adaptive", "kmeans:entropy", "typiclust"]
    found = make().simulate(strategies=strategies, rounds=2, repeats=1, jobs=1)
    assert set(found["summary"]) == set(strategies)
    assert found["full"]["macro_f1"] > 0.8
    for run in found["runs"]:
        assert np.isfinite(run["metrics"]["samples_f1"]).all()


def test_settings_of_items_with_one_label_keep_their_hash() -> None:
    one = deciding(parse({}))
    assert not {"labels", "label_separator"} & set(one["data"])
    assert "over_labels" not in one["query"]
    assert deciding(parse({"data": {"labels": "several"}}))["data"]["labels"] == "several"
