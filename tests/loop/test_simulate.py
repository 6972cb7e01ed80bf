"""Comparing strategies: from a file, from arrays, on a project."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

import querist
from querist.core.errors import DataError, SettingError, ShapeError, UnknownName
from querist.pipeline.project import Project
from querist.stages.evaluation.comparison import compare, paired

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def digits() -> dict[str, object]:
    data = load_digits()
    return querist.simulate(
        X=data.data / 16,
        y=data.target,
        strategies=["margin", "random"],
        seed_size=30,
        batch_size=20,
        rounds=4,
        repeats=3,
        metrics=["accuracy", "log_loss"],
        jobs=2,
    )


def test_the_result_has_the_documented_form(digits: dict, tmp_path: Path) -> None:
    assert set(digits) == {"dataset", "n_pool", "n_test", "full", "runs", "summary", "test"}
    assert (digits["n_pool"], digits["n_test"]) == (1438, 359)
    assert [(r["strategy"], r["repeat"]) for r in digits["runs"]] == [
        (s, k) for s in ("margin", "random") for k in range(3)
    ]
    for run in digits["runs"]:
        assert run["labels"] == [30, 50, 70, 90, 110]
        assert [len(q) for q in run["queries"]] == [30, 20, 20, 20, 20]
        assert len(run["seconds"]) == len(run["metrics"]["accuracy"]) == 5
        asked = [item for batch in run["queries"] for item in batch]
        assert len(set(asked)) == len(asked), "no item is asked twice"
    json.dumps(digits)


def test_margin_beats_random_on_digits_and_the_whole_pool_beats_both(digits: dict) -> None:
    summary = digits["summary"]
    margin, random = (summary[name]["metrics"]["accuracy"]["mean"] for name in ("margin", "random"))
    assert digits["full"]["accuracy"] > margin[-1] > random[-1]
    better_loss = summary["margin"]["metrics"]["log_loss"]["against_random"]["difference"]
    assert better_loss > 0, "for a loss, lower is better and the difference is positive when it is"


def test_strategies_of_a_repeat_share_their_seed_set(digits: dict) -> None:
    seeds = {(r["repeat"], tuple(r["queries"][0])) for r in digits["runs"]}
    assert len(seeds) == 3


def test_one_process_and_two_give_the_same_runs(reviews: Path) -> None:
    options = {"text": "text", "seed_size": 20, "batch_size": 10, "rounds": 2, "repeats": 2}
    found = [querist.simulate(reviews, strategies=["kmeans", "random"], jobs=jobs, **options) for jobs in (1, 2)]
    for one, two in zip(found[0]["runs"], found[1]["runs"], strict=True):
        assert one["queries"] == two["queries"]
        assert one["metrics"] == two["metrics"]


def test_a_file_is_written_and_names_items_by_id(reviews: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "study.json"
    found = querist.simulate(
        reviews,
        text="text",
        id="id",
        strategies=["random"],
        seed_size=20,
        batch_size=10,
        rounds=1,
        repeats=1,
        json=out,
    )
    assert json.loads(out.read_text()) == json.loads(json.dumps(found))
    assert found["runs"][0]["queries"][0][0].startswith("r")


def test_a_project_is_compared_with_random_on_its_own_settings(folder: Path, reviews: Path) -> None:
    project = Project(folder)
    project.ingest(reviews)
    found = project.simulate(rounds=1, repeats=1)
    assert list(found["summary"]) == ["kmeans", "random"]
    assert found["runs"][0]["labels"] == [20, 30]
    text = project.write_summary(found).read_text()
    assert "1 repeats are too few" in text


def test_bad_arguments_are_named(tmp_path: Path) -> None:
    X, y = np.zeros((10, 2)), np.array([0, 1] * 5)
    with pytest.raises(ShapeError, match="10 rows and y 9"):
        querist.simulate(X=X, y=y[:9])
    with pytest.raises(SettingError, match="source"):
        querist.simulate()
    with pytest.raises(UnknownName, match="'best'"):
        querist.simulate(X=X, y=y, strategies=["best"])
    with pytest.raises(UnknownName, match="'speed'"):
        querist.simulate(X=X, y=y, metrics=["speed"])
    with pytest.raises(DataError, match="the test split has no labeled item"):
        querist.simulate(X=X, y=y, test=np.zeros(10, dtype=bool))


def test_a_verdict_is_as_sure_as_the_pairs_allow() -> None:
    assert "too few" in paired(np.array([0.1, 0.2]), 0.95)["verdict"]
    assert paired(np.array([0.10, 0.11, 0.12]), 0.95)["verdict"].startswith("better than random")
    assert "does not help" in paired(np.array([-0.10, -0.11, -0.12]), 0.95)["verdict"]
    assert "beyond noise" in paired(np.array([-0.1, 0.1, 0.05]), 0.95)["verdict"]


def test_labels_to_a_share_of_the_full_score_are_read_from_the_mean_curve() -> None:
    runs = [
        {"strategy": "random", "repeat": 0, "labels": [10, 20, 30], "metrics": {"accuracy": [0.5, 0.7, 0.8]}},
        {"strategy": "random", "repeat": 1, "labels": [10, 20, 30], "metrics": {"accuracy": [0.6, 0.8, 0.9]}},
    ]
    found = compare(runs, {"accuracy": 0.8})["random"]["metrics"]["accuracy"]
    assert found["mean"] == pytest.approx([0.55, 0.75, 0.85])
    assert found["labels_to_95%"] == 30
    assert found["labels_to_99%"] == 30
    assert compare(runs, {"accuracy": 0.99})["random"]["metrics"]["accuracy"]["labels_to_99%"] is None
    assert found["high"][0] - found["mean"][0] == pytest.approx(12.706 * 0.05, rel=1e-3)


def test_an_undefined_metric_is_null_in_the_file(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(60, 3))
    y = (X[:, 0] > 0).astype(int)
    test = np.flatnonzero(y == 1)[:5]
    options = {"strategies": ["random"], "seed_size": 10, "batch_size": 5, "rounds": 1, "repeats": 1, "jobs": 1}
    out = tmp_path / "out.json"
    querist.simulate(X=X, y=y, test=test, metrics=["roc_auc", "accuracy"], json=out, **options)
    found = json.loads(out.read_text())
    assert found["full"]["roc_auc"] is None, "the holdout has one class only"
    assert found["runs"][0]["metrics"]["roc_auc"] == [None, None]
    assert None not in found["runs"][0]["metrics"]["accuracy"]
    assert "NaN" not in out.read_text()


def test_what_the_holdout_rows_hold_moves_no_query() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(0)
    X = sparse.random(300, 400, density=0.05, format="lil", random_state=0)
    y = (np.asarray(X[:, :200].sum(axis=1)).ravel() > np.asarray(X[:, 200:].sum(axis=1)).ravel()).astype(int)
    test = np.arange(200, 300)
    queries = []
    for _ in range(2):
        found = querist.simulate(
            X=X.tocsr(), y=y, test=test, strategies=["kmeans"], seed_size=20, batch_size=10, rounds=2, repeats=1, jobs=1
        )
        queries.append(found["runs"][0]["queries"])
        X[200:300] = 50 * rng.random((100, 400))
    assert queries[0] == queries[1]
