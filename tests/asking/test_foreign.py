"""Strategies of modAL and scikit-activeml, run as their packages ship them."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression

from querist import ActiveLearner, select
from querist.core.errors import SettingError, StrategyError
from querist.core.types import Pool
from querist.stages.query_strategy.ask import ask, make
from querist.testing.strategies import ToyModel, check_strategy, make_pool

modal = pytest.importorskip("modAL.uncertainty", reason="modAL-python is not installed")
skactiveml = pytest.importorskip("skactiveml.pool", reason="scikit-activeml is not installed")

MODAL = [
    "modAL.uncertainty:uncertainty_sampling",
    "modAL.uncertainty:margin_sampling",
    "modAL.uncertainty:entropy_sampling",
    "modAL.batch:uncertainty_batch_sampling",
]
SKACTIVEML = ["UncertaintySampling", "RandomSampling", "CoreSet", "Badge", "ContrastiveAL", "Clue", "DropQuery"]
FRAIL = ["TypiClust", "Falcun"]  # repeat an item among equal points; fail on a model with one class


@pytest.mark.parametrize("path", [*MODAL, *(f"skactiveml.pool:{name}" for name in SKACTIVEML)])
def test_a_strategy_of_another_library_keeps_the_contract(path):
    check_strategy(lambda: make(path)[0], deterministic_ties=True)


def test_an_item_that_another_library_repeats_is_not_asked_twice():
    with pytest.raises(AssertionError, match="TypiClust' answered 1 items more than once"):
        check_strategy(lambda: make("skactiveml.pool:TypiClust")[0], deterministic_ties=True)


def blobs(sparse=False):
    X, y = make_blobs(120, centers=3, n_features=5, cluster_std=4.0, random_state=0)
    return (csr_matrix(X) if sparse else X), np.array(["cat", "dog", "eel"])[y]


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("path", [*MODAL, *(f"skactiveml.pool:{name}" for name in SKACTIVEML + FRAIL)])
def test_an_active_learner_asks_with_it(path, sparse):
    X, y = blobs(sparse)
    learner = ActiveLearner(LogisticRegression(), path, classes=["cat", "dog", "eel"]).fit(X[:20], y[:20])
    chosen = learner.query(X[20:], 6)
    assert len(set(chosen.tolist())) == 6


def test_entropy_sampling_of_modal_and_of_querist_choose_the_same():
    X, y = blobs()
    learners = [ActiveLearner(LogisticRegression(), s).fit(X[:20], y[:20]) for s in (modal.entropy_sampling, "entropy")]
    theirs, ours = (set(learner.query(X[20:], 8).tolist()) for learner in learners)
    assert theirs == ours


def test_margin_sampling_of_scikit_activeml_and_of_querist_choose_the_same():
    X, y = blobs()
    strategies = [skactiveml.UncertaintySampling(method="margin_sampling"), "margin"]
    theirs, ours = (ActiveLearner(LogisticRegression(), s).fit(X[:20], y[:20]).query(X[20:], 8) for s in strategies)
    assert theirs.tolist() == ours.tolist()


def test_a_model_that_cannot_be_cloned_answers_with_what_it_knows():
    pool = make_pool(30)
    ours = ask(make("margin")[0], make_pool(30, scores=1 - np.ptp(np.sort(pool.proba)[:, -2:], axis=1)), 5, rng())
    theirs = ask(make("skactiveml.pool:UncertaintySampling", {"method": "margin_sampling"})[0], pool, 5, rng())
    assert theirs.indices.tolist() == ours.indices.tolist()


def test_a_strategy_that_trains_is_refused_by_a_model_that_cannot_be_cloned():
    with pytest.raises(StrategyError, match="needs a scikit-learn estimator"):
        ask(make("skactiveml.pool:MonteCarloEER")[0], make_pool(10), 2, rng())


def test_a_strategy_that_trains_works_with_an_estimator():
    X, y = blobs()
    learner = ActiveLearner(LogisticRegression(), "skactiveml.pool:MonteCarloEER").fit(X[:10], y[:10])
    assert len(learner.query(X[10:22], 2)) == 2


def test_random_ties_of_modal_come_from_the_generator_and_leave_numpy_s_alone():
    strategy = make("modAL.uncertainty:entropy_sampling", {"random_tie_break": True})[0]
    pool = make_pool(20, classifier=ToyModel(np.zeros((4, 3))))
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    answers = [ask(strategy, pool, 5, rng(seed)).indices.tolist() for seed in (0, 0, 1)]
    assert answers[0] == answers[1] != answers[2]
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_a_partial_of_a_modal_strategy_is_one_too():
    strategy = make(partial(modal.margin_sampling, random_tie_break=True))[0]
    assert len(ask(strategy, make_pool(9), 4, rng()).indices) == 4


def test_a_function_in_the_manner_of_modal_may_return_indices_only():
    def first_ones(classifier, X_pool, n_instances=1):
        return np.arange(n_instances)

    assert ask(make(first_ones)[0], make_pool(9), 3, rng()).indices.tolist() == [0, 1, 2]


def test_an_object_of_scikit_activeml_is_not_changed_by_asking():
    strategy = skactiveml.CoreSet(random_state=7)
    first, again = (ask(make(strategy)[0], make_pool(20), 4, rng(2)).indices.tolist() for _ in range(2))
    assert first == again
    assert strategy.random_state == 7


def test_missing_labels_may_be_minus_one_or_none():
    for missing in (-1, None):
        strategy = skactiveml.UncertaintySampling(missing_label=missing)
        assert len(ask(make(strategy)[0], make_pool(9), 2, rng()).indices) == 2


def test_unknown_settings_of_foreign_strategies_are_refused():
    with pytest.raises(SettingError, match="Did you mean 'method'"):
        make("skactiveml.pool:UncertaintySampling", {"methd": "entropy"})
    with pytest.raises(SettingError, match=r"needs the settings \['classes'\]"):
        make("skactiveml.pool:Quire")
    with pytest.raises(SettingError, match="takes no settings"):
        make(skactiveml.CoreSet(), {"metric": "cosine"})


def test_a_strategy_that_needs_what_querist_has_not_says_so():
    with pytest.raises(StrategyError, match="needs \\['ensemble'\\]"):
        ask(make("skactiveml.pool:QueryByCommittee")[0], make_pool(9), 2, rng())


def test_arrays_without_a_model_are_not_enough():
    with pytest.raises(StrategyError, match="needs model"):
        select(modal.entropy_sampling, 1, proba=np.array([[0.5, 0.5]]))


def test_a_pool_too_wide_to_be_dense_is_refused():
    wide = csr_matrix((100_000, 100_000))
    pool = Pool(100_000, classifier=ToyModel(np.ones((1, 2))), X=lambda: wide, labeled=(wide[:2], np.array([0, 1])))
    with pytest.raises(StrategyError, match="dense array of 100000 x 100000"):
        ask(make("skactiveml.pool:RandomSampling")[0], pool, 1, rng())


def rng(seed=0):
    return np.random.default_rng(seed)
