"""The learner: weights, search, calibration, warm start, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from querist.core.errors import DataError, SettingError, ShapeError, UnknownName
from querist.models.learner import ScikitLearner
from querist.models.persistence import dump, load
from querist.testing.models import make_data


def noisy(n_items: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two classes that overlap, the second a quarter of the items."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n_items) < 0.25).astype(np.int64)
    return (rng.normal(size=(n_items, 2)) + y[:, None]).astype(np.float32), y


def test_codes_keep_their_places_when_lower_ones_are_missing() -> None:
    X, y = make_data()
    learner = ScikitLearner("logistic", {}, 5).fit(X, y + 2)
    assert learner.predict(X).tolist() == (y + 2).tolist()
    assert learner.classes_.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("head", ["logistic", "svm", "boosting", "forest"])
def test_balanced_weights_find_more_of_the_rare_class(head: str) -> None:
    X, y = noisy()
    plain = ScikitLearner(head, {}, 2, calibration="none").fit(X, y).predict(X[y == 1]).mean()
    balanced = ScikitLearner(head, {}, 2, calibration="none", class_weight="balanced").fit(X, y).predict(X[y == 1])
    assert balanced.mean() >= plain


def test_balanced_weights_are_those_of_the_counts() -> None:
    X, y = noisy()
    counts = np.bincount(y)
    by_code = {0: len(y) / (2 * counts[0]), 1: len(y) / (2 * counts[1])}
    first = ScikitLearner("logistic", {}, 2, class_weight="balanced").fit(X, y)
    second = ScikitLearner("logistic", {}, 2, class_weight=by_code).fit(X, y)
    assert np.array_equal(first.predict_proba(X), second.predict_proba(X))


def test_sample_weight_two_is_an_item_twice() -> None:
    X, y = noisy(60)
    twice = np.r_[np.arange(60), np.arange(20)]
    weights = np.r_[np.full(20, 2.0), np.ones(40)]
    first = ScikitLearner("logistic", {}, 2, calibration="none").fit(X, y, sample_weight=weights)
    second = ScikitLearner("logistic", {}, 2, calibration="none").fit(X[twice], y[twice])
    assert np.allclose(first.predict_proba(X), second.predict_proba(X), atol=1e-3)


def test_estimator_that_takes_no_weights_says_so() -> None:
    X, y = noisy(20)
    learner = ScikitLearner("sklearn.neighbors:KNeighborsClassifier", {}, 2, class_weight="balanced")
    with pytest.raises(SettingError, match="class_weight"):
        learner.fit(X, y)


def test_search_takes_the_value_with_the_lowest_validation_loss() -> None:
    X, y = noisy()
    learner = ScikitLearner("logistic", {}, 2, search={"C": [1e-6, 1.0]}).fit(X, y, validation=noisy(seed=1))
    losses = {attempt["params"]["C"]: attempt["log_loss"] for attempt in learner.report.search}
    assert losses[1.0] < losses[1e-6]
    assert learner.report.params == {"C": 1.0}
    assert learner.params == {}


def test_search_without_validation_labels_is_noted_and_left_out() -> None:
    X, y = noisy()
    learner = ScikitLearner("logistic", {"C": 2.0}, 2, search={"C": [1.0]})
    learner.fit(X, y, validation=(X, np.full(len(y), -1)))
    assert learner.report.params == {"C": 2.0}
    assert "no search" in learner.report.notes[0]


def test_calibration_uses_fifty_validation_labels_and_cross_validation_below() -> None:
    X, y = noisy()
    held = noisy(80, seed=1)
    some = held[1].copy()
    some[49:] = -1
    enough = ScikitLearner("logistic", {}, 2).fit(X, y, validation=held).report
    assert (enough.calibrated_on, enough.n_calibration) == ("validation", 80)
    few = ScikitLearner("logistic", {}, 2).fit(X, y, validation=(held[0], some)).report
    assert (few.calibrated_on, few.n_calibration) == ("cross-validation", 200)
    forced = ScikitLearner("logistic", {}, 2, calibrate_on="validation").fit(X, y, validation=(held[0], some)).report
    assert (forced.calibrated_on, forced.n_calibration) == ("validation", 49)


def test_too_few_labels_for_calibration_are_noted() -> None:
    X, y = make_data(n_items=7)
    report = ScikitLearner("logistic", {}, 3).fit(X, y).report
    assert (report.calibration, report.calibrated_on) == ("none", None)
    assert report.notes == ("not calibrated: the rarest class has 2 labels, and cross-validation takes 3",)


@pytest.mark.parametrize("calibration", ["temperature", "platt"])
def test_calibration_lowers_the_loss_of_an_overconfident_forest(calibration: str) -> None:
    X, y = noisy(400)
    held, truth = noisy(1000, seed=1)

    def loss(method: str) -> float:
        proba = ScikitLearner("forest", {}, 2, calibration=method).fit(X, y).predict_proba(held)
        return float(-np.log(np.maximum(proba[np.arange(1000), truth], 1e-6)).mean())

    assert loss(calibration) < loss("none")


def test_warm_start_goes_on_from_the_older_weights() -> None:
    X, y = noisy()
    cold = ScikitLearner("logistic", {"tol": 1e-8}, 2, calibration="none").fit(X, y)
    loaded = load(dump(cold))
    warm = ScikitLearner("logistic", {"tol": 1e-8}, 2, calibration="none").fit(X, y, warm_from=loaded)
    assert warm.report.warm
    assert warm.estimator is not None
    assert cold.estimator is not None
    assert warm.estimator.n_iter_[0] < cold.estimator.n_iter_[0]
    assert np.allclose(warm.predict_proba(X), cold.predict_proba(X), atol=1e-3)


@pytest.mark.parametrize("head", ["logistic", "boosting"])
def test_warm_start_that_cannot_be_is_noted(head: str) -> None:
    X, y = make_data()
    two = np.flatnonzero(y < 2)
    older = (
        ScikitLearner(head, {}, 3).fit(X[two], y[two]) if head == "logistic" else ScikitLearner(head, {}, 3).fit(X, y)
    )
    report = ScikitLearner(head, {}, 3).fit(X, y, warm_from=older).report
    assert not report.warm
    assert "no warm start" in report.notes[0]


def test_sparse_features_that_would_not_fit_densely_are_refused() -> None:
    X = sp.csr_matrix((10_000, 200_000), dtype=np.float32)
    with pytest.raises(SettingError, match="10000 x 200000 of them would fill 7 GB"):
        ScikitLearner("boosting", {}, 2).fit(X, np.arange(10_000) % 2)


def test_dense_blocks_give_the_same_probabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = make_data(sparse=True)
    learner = ScikitLearner("boosting", {"max_iter": 5}, 3, calibration="none").fit(X, y)
    whole = learner.predict_proba(X)
    monkeypatch.setattr("querist.models.fitting.DENSE_BLOCK_BYTES", 200)
    assert np.array_equal(learner.predict_proba(X), whole)


def test_unknown_hyper_parameter_lists_those_of_the_estimator() -> None:
    with pytest.raises(UnknownName, match=r"'max_iters'. Did you mean 'max_iter'\?.*Available: C, "):
        ScikitLearner("logistic", {"max_iters": 1}, 2)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"search": {"depth": [1]}}, "depth"),
        ({"search": {"C": []}}, r"learner\.search\.C is empty"),
        ({"calibration": "beta"}, "isotonic"),
    ],
)
def test_setting_that_cannot_work_is_refused_at_once(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        ScikitLearner("logistic", {}, 2, **settings)


@pytest.mark.parametrize(
    ("path", "words"),
    [("email.message:Message", "no scikit-learn estimator"), ("sklearn.ensemble:VotingClassifier", "estimators")],
)
def test_import_path_that_makes_no_estimator_says_so(path: str, words: str) -> None:
    with pytest.raises(SettingError, match=words):
        ScikitLearner(path, {}, 2)


@pytest.mark.parametrize(("head", "params"), [("logistic", {"C": -1.0}), ("naive-bayes", {})])
def test_estimator_s_own_complaint_is_passed_on(head: str, params: dict[str, Any]) -> None:
    X, y = noisy(20)
    with pytest.raises(SettingError, match=r"cannot work here: .*[Cc]heck learner\.params"):
        ScikitLearner(head, params, 2).fit(X, y)


@pytest.mark.parametrize(
    ("y", "words"), [([0, 1], "3 rows"), ([0, 1, 2], r"0\.\.1"), ([0, -1, 1], r"-1\.\.1"), ([], "3 rows")]
)
def test_wrong_labels_are_refused(y: list[int], words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        ScikitLearner("logistic", {}, 2).fit(np.eye(3), np.array(y, dtype=np.int64))


def test_no_label_and_other_features_are_refused() -> None:
    learner = ScikitLearner("logistic", {}, 2)
    with pytest.raises(ShapeError, match="fit first"):
        learner.predict_proba(np.eye(3))
    with pytest.raises(ShapeError, match="no label"):
        learner.fit(np.empty((0, 3)), np.empty(0, dtype=np.int64))
    learner.fit(np.eye(3), np.array([0, 1, 0]))
    with pytest.raises(ShapeError, match="3 features, got 2"):
        learner.predict_proba(np.eye(2))


def test_type_that_is_not_trusted_is_named_with_the_setting() -> None:
    X, y = noisy(40)
    params = {"algorithm": "ball_tree", "metric": "canberra"}
    data = dump(ScikitLearner("sklearn.neighbors:KNeighborsClassifier", params, 2).fit(X, y))
    with pytest.raises(SettingError, match=r"sklearn\.metrics.*CanberraDistance.*learner\.trusted_types"):
        load(data)


def test_trusted_type_is_loaded() -> None:
    import skops.io

    X, y = noisy(40)
    learner = ScikitLearner("sklearn.ensemble:GradientBoostingClassifier", {"n_estimators": 3}, 2).fit(X, y)
    data = dump(learner)
    loaded = load(data, trusted=skops.io.get_untrusted_types(data=data))
    assert np.array_equal(loaded.predict_proba(X), learner.predict_proba(X))


def test_bytes_that_are_no_learner_are_refused() -> None:
    with pytest.raises(DataError, match="7 bytes are no stored learner"):
        load(b"garbage")
