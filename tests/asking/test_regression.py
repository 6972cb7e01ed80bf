from __future__ import annotations

import numpy as np
import pytest

import querist
from querist.core.errors import PoolExhausted, SettingError, ShapeError, UnknownName
from querist.stages.query_strategy import regression
from querist.stages.query_strategy.regression import greedy_sampling, predictive_variance

NAN = float("nan")


def rng(seed=0):
    return np.random.default_rng(seed)


def plain_greedy(method, X, predictions, labels, k):
    """Wu, Lin and Huang, in the plainest words."""
    labels = labels.copy()
    picked = []
    for _ in range(k):
        best, most = None, -1.0
        for i in np.flatnonzero(np.isnan(labels)):
            near = np.inf
            for j in np.flatnonzero(~np.isnan(labels)):
                dx, dy = np.linalg.norm(X[i] - X[j]), abs(predictions[i] - labels[j])
                near = min(near, {"gsx": dx, "gsy": dy, "igs": dx * dy}[method])
            if near > most:
                best, most = i, near
        picked.append(best)
        labels[best] = predictions[best]
    return picked


@pytest.mark.parametrize("method", ["gsx", "gsy", "igs"])
@pytest.mark.parametrize("far", [1, 2, 5, 1024])
@pytest.mark.parametrize("seed", range(6))
def test_greedy_sampling_is_the_plain_loop(method, seed, far, monkeypatch):
    monkeypatch.setattr(regression, "FAR", far)
    monkeypatch.setattr(regression, "CELLS", 20)
    monkeypatch.setattr(regression, "LABELED", 3)
    X, predictions = rng(seed).normal(size=(30, 3)), rng(seed + 100).normal(size=30)
    labels = np.full(30, NAN)
    labels[:7] = rng(seed + 200).normal(size=7)
    picked = querist.select_regression(method, 6, labels=labels, embeddings=X, predictions=predictions, rng=0)
    assert picked.tolist() == plain_greedy(method, X, predictions, labels, 6)


def test_nothing_labeled_starts_in_the_middle_and_goes_to_the_ends():
    X = np.array([[0.0], [4.0], [5.0], [9.0], [11.0]])
    picked = querist.select_regression("gsx", 3, labels=[NAN] * 5, embeddings=X, rng=0)
    assert picked.tolist() == [2, 4, 0]


def test_a_batch_of_the_whole_pool_takes_every_item_once():
    X = rng().normal(size=(9, 2))
    for method in ("gsx", "gsy", "igs"):
        picked = querist.select_regression(method, 9, labels=[NAN] * 9, embeddings=X, predictions=X[:, 0], rng=0)
        assert sorted(picked) == list(range(9))


def test_scikit_activeml_takes_the_same_items():
    pool = pytest.importorskip("skactiveml.pool")
    X = rng(3).normal(size=(25, 2))
    labels = np.full(25, NAN)
    labels[:4] = 1.0
    theirs = pool.GreedySamplingX(random_state=0).query(X, labels, batch_size=5)
    assert querist.select_regression("gsx", 5, labels=labels, embeddings=X, rng=0).tolist() == theirs.tolist()


def test_variance_of_the_predictions_by_hand():
    assert predictive_variance(np.array([[1.0, 5.0], [3.0, 5.0]])).tolist() == [1.0, 0.0]
    samples = [[1.0, 5.0, 0.0], [3.0, 5.0, 9.0]]
    assert querist.select_regression("variance", 2, labels=[NAN, NAN, NAN], samples=samples, rng=0).tolist() == [2, 0]


def test_labeled_items_are_never_answered_even_when_everything_is_the_same():
    labels = [1.0, NAN, 2.0, NAN, NAN]
    for seed in range(5):
        picked = querist.select_regression("gsx", 3, labels=labels, embeddings=np.ones((5, 2)), rng=seed)
        assert sorted(picked.tolist()) == [1, 3, 4]


def test_equal_items_are_drawn_by_the_generator():
    answers = {
        tuple(querist.select_regression("gsx", 2, labels=[NAN] * 8, embeddings=np.ones((8, 2)), rng=s))
        for s in range(6)
    }
    assert len(answers) > 1


def test_float32_points_far_from_the_origin_of_a_pick_are_not_picked_again():
    X = (rng().normal(size=(40, 8)) / 10 + 5).astype(np.float32)
    assert len(set(greedy_sampling((X,), (X[:0],), 40, rng()).tolist())) == 40


def test_missing_arguments_and_unknown_methods_are_named():
    with pytest.raises(SettingError, match="'igs' needs predictions"):
        querist.select_regression("igs", 1, labels=[NAN], embeddings=[[1.0]])
    with pytest.raises(UnknownName, match="gsx, gsy, igs, variance"):
        querist.select_regression("gs", 1, labels=[NAN])


def test_arrays_of_another_length_and_batches_beyond_the_pool_are_refused():
    with pytest.raises(ShapeError, match="embeddings are given for 2 items, labels for 1"):
        querist.select_regression("gsx", 1, labels=[NAN], embeddings=[[1.0], [2.0]])
    with pytest.raises(PoolExhausted, match="asked for 2 items, and 1 have no label"):
        querist.select_regression("gsx", 2, labels=[NAN, 1.0], embeddings=[[1.0], [2.0]])
