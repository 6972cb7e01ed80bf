"""Strategies that ask what a label would do to the model: eer, model_change, fisher."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression

import querist
from querist.core.errors import SettingError
from querist.core.types import Pool
from querist.stages.query_strategy.ask import ask, make
from querist.stages.query_strategy.eer import ExpectedErrorReduction, expected_loss, log_loss, zero_one_loss
from querist.stages.query_strategy.fisher import Fisher, greedy_trace, information
from querist.stages.query_strategy.model_change import expected_gradient_length
from querist.testing.strategies import ToyModel, make_pool


def rng(seed=0):
    return np.random.default_rng(seed)


# expected error reduction


def plain_expected_loss(pool, item, loss, eps=0.0):
    X, (old_X, old_y) = pool.X(), pool.labeled
    total = 0.0
    for code, chance in enumerate(pool.proba[item]):
        model = ToyModel.fit(np.vstack([old_X, X[item]]), [*old_y, code], pool.proba.shape[1])
        answers = model.predict_proba(X)
        if loss == "log":
            errors = [-sum(p * np.log(p) for p in row) for row in answers]
        else:
            errors = [1 - max(row) for row in answers]
        total += chance * sum(errors) / len(errors)
    return total


@pytest.mark.parametrize("loss", ["log", "zero_one"])
@pytest.mark.parametrize("seed", range(3))
def test_eer_is_the_plain_double_loop(loss, seed):
    pool = make_pool(12, seed=seed)
    pool = replace(pool, train=lambda X, y: ToyModel.fit(X, np.asarray(y), 3))
    expected = [plain_expected_loss(pool, i, loss) for i in range(12)]
    chosen = ask(ExpectedErrorReduction(loss=loss), pool, 4, rng())
    assert chosen.indices.tolist() == np.argsort(expected)[:4].tolist()
    assert chosen.scores == pytest.approx(-np.sort(expected)[:4])


def test_losses_by_hand():
    proba = np.array([[0.5, 0.5], [1.0, 0.0]])
    assert log_loss(proba) == pytest.approx(np.log(2) / 2)
    assert zero_one_loss(proba) == pytest.approx(0.25)


def test_a_class_without_chance_is_not_tried():
    tried = []

    def train(X, y):
        tried.append(int(y[-1]))
        return ToyModel.fit(X, y, 3)

    pool = make_pool(3)
    expected_loss(train, pool.labeled, pool.X()[:2], np.array([[1.0, 0, 0], [0, 0.5, 0.5]]), pool.X(), log_loss)
    assert tried == [0, 1, 2]


def test_eer_trains_no_more_models_than_its_settings_allow():
    trained = []
    pool = make_pool(60)
    counted = replace(pool, train=lambda X, y: trained.append(1) or ToyModel.fit(X, y, 3))
    ask(ExpectedErrorReduction(candidates=5, sample=7), counted, 2, rng())
    assert len(trained) == 5 * 3


def test_eer_takes_sparse_features():
    pool = make_pool(8)
    dense = ask(ExpectedErrorReduction(), pool, 3, rng())
    X, labeled = sp.csr_matrix(pool.X()), sp.csr_matrix(pool.labeled[0])
    sparse = replace(
        pool,
        X=lambda: X,
        labeled=(labeled, pool.labeled[1]),
        train=lambda X, y: _OfSparse(ToyModel.fit(X.toarray(), y, 3)),
    )
    assert ask(ExpectedErrorReduction(), sparse, 3, rng()).indices.tolist() == dense.indices.tolist()


class _OfSparse:
    def __init__(self, model):
        self.model = model

    def predict_proba(self, X):
        return self.model.predict_proba(X.toarray())


def test_eer_with_a_learner_of_scikit_learn_asks_in_the_middle_and_not_at_the_far_end():
    X = np.linspace(-3, 3, 13)[:, None]
    learner = querist.ActiveLearner(LogisticRegression(), "eer", params={"candidates": 13})
    learner.fit(np.array([[-3.0], [3.0]]), ["low", "high"])
    assert abs(X[learner.query(X, 1)[0], 0]) < 3


@pytest.mark.parametrize("setting", [{"candidates": 0}, {"sample": 0}, {"loss": "hinge"}])
def test_settings_of_eer_that_cannot_work_are_refused(setting):
    with pytest.raises(SettingError, match=next(iter(setting))):
        ExpectedErrorReduction(**setting)


# expected model change


def plain_gradient_length(p, x):
    lengths = []
    for y in range(len(p)):
        gradient = np.outer(p - np.eye(len(p))[y], x)
        lengths.append(p[y] * np.sqrt((gradient**2).sum()))
    return sum(lengths)


@pytest.mark.parametrize("n_classes", [1, 2, 3, 6])
def test_the_expected_gradient_is_that_of_a_softmax_layer(n_classes):
    proba = rng().dirichlet(np.ones(n_classes), size=20)
    x = rng(1).normal(size=(20, 5)).astype(np.float32)
    expected = [plain_gradient_length(p, row) for p, row in zip(proba, x, strict=True)]
    assert expected_gradient_length(proba, x) == pytest.approx(expected, abs=1e-6)


def test_a_certain_item_and_a_row_of_zeros_move_nothing():
    assert expected_gradient_length(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[1.0], [0.0]])).tolist() == [0, 0]


def test_a_coin_on_a_unit_row_moves_the_model_by_the_root_of_a_half():
    assert expected_gradient_length(np.array([[0.5, 0.5]]), np.array([[1.0]])) == pytest.approx([0.5**0.5])


def test_model_change_prefers_the_uncertain_and_the_long():
    proba = np.array([[0.5, 0.5], [0.5, 0.5], [0.9, 0.1]])
    embeddings = np.array([[1.0, 0], [2.0, 0], [2.0, 0]])
    assert querist.select("model_change", 3, proba=proba, embeddings=embeddings, rng=0).tolist() == [1, 0, 2]


# fisher


def plain_trace(X, weight, labeled, labeled_weight, batch, ridge):
    M = ridge * np.eye(X.shape[1])
    for x in labeled:
        M += labeled_weight * np.outer(x, x)
    for i in batch:
        M += weight[i] * np.outer(X[i], X[i])
    F = sum(w * np.outer(x, x) for w, x in zip(weight, X, strict=True))
    return np.trace(np.linalg.inv(M) @ F)


@pytest.mark.parametrize("seed", range(8))
def test_fisher_is_the_plain_greedy_search(seed):
    pool = make_pool(20, n_dims=4, seed=seed)
    X, known = pool.embed(slice(None)).astype(float), pool.labeled_embeddings.astype(float)
    weight = 1 - (pool.proba**2).sum(axis=1)
    batch = []
    for _ in range(6):
        rest = [i for i in range(20) if i not in batch]
        batch.append(min(rest, key=lambda i: plain_trace(X, weight, known, weight.mean(), [*batch, i], 1.0)))
    chosen = ask(Fisher(), pool, 6, rng())
    assert chosen.indices.tolist() == batch
    assert chosen.thresholds["trace"] == pytest.approx(plain_trace(X, weight, known, weight.mean(), [], 1.0), rel=1e-4)
    assert chosen.thresholds["trace_left"] == pytest.approx(
        plain_trace(X, weight, known, weight.mean(), batch, 1.0), rel=1e-4
    )


def test_two_classes_have_the_fisher_information_of_logistic_regression():
    """The softmax layer's own information is w/2 [[1, -1], [-1, 1]] (x) x x^T: the same order of all batches."""
    p = np.array([0.3, 0.7])
    own = np.diag(p) - np.outer(p, p)
    assert own == pytest.approx(information(p[None])[0] / 2 * np.array([[1, -1], [-1, 1]]))


def test_a_twin_of_a_pick_comes_after_a_new_direction():
    proba = np.full((3, 2), 0.5)
    embeddings = np.array([[1.0, 0], [1.0, 0], [0, 0.9]])
    none, settings = np.empty((0, 2)), {"ridge": 0.01}
    picked = querist.select(
        "fisher", 2, proba=proba, embeddings=embeddings, labeled_embeddings=none, params=settings, rng=0
    )
    assert 2 in picked


def test_what_the_labeled_items_tell_is_not_asked_again():
    proba = np.full((2, 2), 0.5)
    embeddings = np.array([[1.0, 0], [0, 0.9]])
    known = np.tile([[1.0, 0.0]], (50, 1))
    picked = querist.select("fisher", 1, proba=proba, embeddings=embeddings, labeled_embeddings=known, rng=0)
    assert picked.tolist() == [1]


def test_certain_items_leave_nothing_to_gain_and_the_batch_is_random():
    pool = make_pool(10, proba=np.eye(3)[np.arange(10) % 3])
    answers = {tuple(ask(Fisher(), pool, 3, rng(s)).indices) for s in range(5)}
    assert len(answers) > 1


def test_rank_one_steps_do_not_drift_from_the_inverse():
    X = rng().normal(size=(200, 6)).astype(np.float32)
    weight, target = np.full(200, 0.5), np.cov(X.T)
    picked, gains = greedy_trace(X, weight, np.eye(6), target, 100, rng())
    M = np.eye(6) + 0.5 * X[picked].T.astype(float) @ X[picked]
    assert np.trace(target) - gains.sum() == pytest.approx(np.trace(np.linalg.inv(M) @ target), rel=1e-3)


def test_fewer_candidates_are_those_that_gain_most_alone():
    pool = make_pool(50)
    first = ask(Fisher(), pool, 1, rng()).indices
    assert ask(Fisher(candidates=1), pool, 1, rng()).indices.tolist() == first.tolist()


@pytest.mark.parametrize("setting", [{"candidates": 0}, {"ridge": 0.0}, {"ridge": float("inf")}])
def test_settings_of_fisher_that_cannot_work_are_refused(setting):
    with pytest.raises(SettingError, match=next(iter(setting))):
        Fisher(**setting)


@pytest.mark.parametrize("name", ["eer", "fisher"])
def test_a_pool_without_what_the_strategy_needs_names_it(name):
    with pytest.raises(querist.QueristError, match=r"needs (labeled_embeddings|embeddings|model)"):
        ask(make(name)[0], Pool(3, proba=np.full((3, 2), 0.5), scores=np.zeros(3)), 1, rng())
