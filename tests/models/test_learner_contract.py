"""Every head and every learner of the plugin tables keeps the contract."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest

from querist import plugins
from querist.models.learner import ScikitLearner
from querist.models.persistence import dump, load
from querist.testing.models import check_learner, make_data

STRANGERS = {
    "sklearn.neighbors:KNeighborsClassifier": {"n_neighbors": 1},
    "sklearn.linear_model:SGDClassifier": {},
    "sklearn.ensemble:ExtraTreesClassifier": {"n_estimators": 10},
    "sklearn.naive_bayes:GaussianNB": {},
}
SMALL = {"forest": {"n_estimators": 10}, "boosting": {"max_iter": 20}}
HEADS = {**{name: SMALL.get(name, {}) for name in plugins.available("heads")}, **STRANGERS}


@pytest.mark.parametrize("head", HEADS)
def test_head_keeps_the_contract(head: str) -> None:
    check_learner(lambda: ScikitLearner(head, HEADS[head], 3))


@pytest.mark.parametrize("calibration", ["none", "platt", "isotonic"])
@pytest.mark.parametrize("head", ["logistic", "svm", "forest"])
def test_calibrated_head_keeps_the_contract(head: str, calibration: str) -> None:
    check_learner(lambda: ScikitLearner(head, HEADS[head], 3, calibration=calibration))


@pytest.mark.parametrize("head", plugins.available("heads"))
@pytest.mark.parametrize("calibration", ["none", "temperature", "platt", "isotonic"])
def test_loaded_learner_gives_identical_probabilities(head: str, calibration: str) -> None:
    X, y = make_data(sparse=True)
    learner = ScikitLearner(head, HEADS[head], 4, calibration=calibration, class_weight={0: 2.0, 1: 1.0}).fit(X, y)
    loaded = load(dump(learner))
    assert np.array_equal(loaded.predict_proba(X), learner.predict_proba(X))
    assert loaded.report == learner.report
    assert loaded.class_weight == learner.class_weight
    assert dump(loaded) == dump(learner)


@pytest.mark.parametrize(
    ("head", "params"),
    [
        ("sklearn.calibration:CalibratedClassifierCV", {}),
        ("sklearn.calibration:CalibratedClassifierCV", {"method": "temperature"}),
        ("sklearn.gaussian_process:GaussianProcessClassifier", {}),
        ("sklearn.neighbors:KNeighborsClassifier", {"algorithm": "kd_tree"}),
        ("sklearn.neighbors:KNeighborsClassifier", {"algorithm": "ball_tree"}),
        ("sklearn.neighbors:KNeighborsClassifier", {"p": 1}),
        ("sklearn.neighbors:KNeighborsClassifier", {"p": 3}),
        ("sklearn.neighbors:KNeighborsClassifier", {"metric": "chebyshev"}),
        ("sklearn.neural_network:MLPClassifier", {"max_iter": 5}),
        ("sklearn.neural_network:MLPClassifier", {"max_iter": 5, "solver": "sgd"}),
    ],
)
def test_a_classifier_of_scikit_learn_is_loaded_without_naming_what_it_is_made_of(
    head: str, params: dict[str, object]
) -> None:
    X, y = make_data()
    learner = ScikitLearner(head, params, 3).fit(X[:, :4], y)
    assert np.array_equal(load(dump(learner)).predict_proba(X[:, :4]), learner.predict_proba(X[:, :4]))


def test_neighbours_of_texts_are_loaded() -> None:
    X, y = make_data(sparse=True)
    learner = ScikitLearner("sklearn.neighbors:KNeighborsClassifier", {}, 3).fit(X, y)
    assert np.array_equal(load(dump(learner)).predict_proba(X), learner.predict_proba(X))


def test_learner_of_one_class_can_be_stored() -> None:
    X, _ = make_data()
    learner = ScikitLearner("logistic", {}, 3).fit(X, np.full(len(X), 1))
    assert np.array_equal(load(dump(learner)).predict_proba(X), learner.predict_proba(X))


SCRIPT = """
from querist.core.hashing import sha256
from querist.models.learner import ScikitLearner
from querist.models.persistence import dump
from querist.testing.models import make_data
for head, params in {heads!r}.items():
    print(head, sha256(dump(ScikitLearner(head, params, 3).fit(*make_data()))))
"""


def test_same_training_gives_the_same_bytes_in_another_process() -> None:
    command = [sys.executable, "-c", SCRIPT.format(heads={name: HEADS[name] for name in plugins.available("heads")})]
    first, second = (subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2))
    assert len(first.splitlines()) == len(plugins.available("heads"))
    assert first == second


def test_report_is_json() -> None:
    X, y = make_data()
    learner = ScikitLearner("logistic", {}, 3, search={"C": [1.0, 10.0]}).fit(X, y, validation=(X, y))
    assert json.loads(json.dumps(asdict(learner.report)))["n_labels"] == 90
