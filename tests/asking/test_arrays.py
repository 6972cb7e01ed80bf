from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import load_digits
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

import querist
from querist import ActiveLearner, score, select
from querist.core.errors import PoolExhausted, QueristError, SettingError, ShapeError, UnknownName
from querist.core.types import Selection

PROBA = np.array([[0.5, 0.5], [0.9, 0.1], [0.6, 0.4], [0.7, 0.3]])


def test_score_is_the_margin_unless_another_measure_is_named():
    assert score(PROBA) == pytest.approx([1.0, 0.2, 0.8, 0.6])
    assert score(PROBA, measure="least_confidence") == pytest.approx([0.5, 0.1, 0.4, 0.3])
    assert score(PROBA, measure={"margin": 1, "entropy": 1}) == pytest.approx([1, 0, 2 / 3, 1 / 3])


def test_score_takes_lists():
    assert score([[0.5, 0.5]]) == pytest.approx([1.0])


def test_select_gives_the_most_uncertain_best_first():
    assert select("margin", 2, proba=PROBA).tolist() == [0, 2]


@pytest.mark.parametrize(
    "labels",
    [
        [1, -1, -1, 0],
        [1, None, None, 0],
        ["a", None, None, "b"],
        [1.0, np.nan, np.nan, 0.0],
        np.array([1, -1, -1, 0], dtype=np.int8),
        np.array(["a", np.nan, np.nan, "b"], dtype=object),
    ],
)
def test_labeled_items_are_never_selected_and_indices_are_of_the_full_arrays(labels):
    assert select("margin", 2, proba=PROBA, labels=labels).tolist() == [2, 1]
    with pytest.raises(PoolExhausted, match="asked for 3 items but the pool holds 2"):
        select("margin", 3, proba=PROBA, labels=labels)


def test_select_without_scores_needs_only_some_array_of_the_items():
    assert select("random", 1, labels=[-1, 3, 3], rng=0).tolist() == [0]
    with pytest.raises(ShapeError, match="of nothing"):
        select("random", 1)


def test_select_of_arrays_of_different_items_is_refused():
    with pytest.raises(ShapeError, match="'proba': 4, 'embeddings': 3"):
        select("kmeans", 1, proba=PROBA, embeddings=np.eye(3))


def test_select_with_kmeans_wants_embeddings():
    with pytest.raises(QueristError, match=r"kmeans|KMeansDiversity.*needs embeddings"):
        select("kmeans", 1, proba=PROBA)
    assert len(select("kmeans:margin", 2, proba=PROBA, embeddings=np.eye(4), params={"clusters": 2})) == 2


@pytest.mark.parametrize(
    ("labeled", "copied"), [([], False), ([6, 7], False), ([0], False), ([0, 7], False), ([2, 5], True)]
)
def test_a_strategy_gets_the_arrays_as_they_are_where_labeled_items_leave_no_gap(labeled, copied):
    seen = []

    class Watch:
        needs = frozenset({"samples", "embeddings"})

        def __call__(self, pool, batch_size, rng):
            seen.extend([pool.samples(), pool.embed(slice(1, 3))])
            return Selection(np.arange(batch_size), np.zeros(batch_size))

    labels, points = np.full(8, -1), np.arange(16, dtype=np.float32).reshape(8, 2)
    labels[labeled] = 0
    opinions = np.random.default_rng(0).dirichlet(np.ones(3), size=(4, 8))
    open_ = np.flatnonzero(labels < 0)
    assert select(Watch(), 1, labels=labels, samples=opinions, embeddings=points).tolist() == [open_[0]]
    assert np.array_equal(seen[0], opinions[:, open_])
    assert np.array_equal(seen[1], points[open_[1:3]])
    assert [np.shares_memory(seen[0], opinions), np.shares_memory(seen[1], points)] == [not copied] * 2


def test_the_same_seed_selects_the_same_items():
    embeddings = np.random.default_rng(0).normal(size=(50, 3))
    proba = np.random.default_rng(1).dirichlet([1, 1, 1], size=50)
    answers = {tuple(select("kmeans", 5, proba=proba, embeddings=embeddings, rng=4).tolist()) for _ in range(3)}
    assert len(answers) == 1
    assert tuple(select("kmeans", 5, proba=proba, embeddings=embeddings, rng=np.random.default_rng(4))) in answers


def test_labeled_embeddings_are_those_of_the_labeled_items_unless_given():
    seen = []

    class Watching(querist_random()):
        needs = frozenset({"labeled_embeddings"})

        def __call__(self, pool, batch_size, rng):
            seen.append(pool.labeled_embeddings.tolist())
            return super().__call__(pool, batch_size, rng)

    select(Watching(), 1, embeddings=np.eye(3), labels=[-1, 2, -1])
    select(Watching(), 1, embeddings=np.eye(3), labels=[-1, 2, -1], labeled_embeddings=[[7.0, 8.0, 9.0]])
    assert seen == [[[0, 1, 0]], [[7, 8, 9]]]


def querist_random():
    from querist.stages.query_strategy.random import Random

    return Random


def digits():
    X, y = load_digits(return_X_y=True)
    return X[:600] / 16, y[:600], X[600:900] / 16, y[600:900]


@pytest.mark.parametrize("strategy", ["kmeans", "entropy", "random"])
@pytest.mark.parametrize("sparse", [False, True])
def test_a_learner_gets_better_as_it_is_taught(strategy, sparse):
    X, y, X_test, y_test = digits()
    convert = csr_matrix if sparse else np.asarray
    learner = ActiveLearner(LogisticRegression(max_iter=500), strategy, classes=range(10))
    learner.fit(convert(X[:20]), y[:20])
    before, left = learner.score(convert(X_test), y_test), np.arange(20, 600)
    for _ in range(3):
        chosen = left[learner.query(convert(X[left]), 25)]
        learner.teach(convert(X[chosen]), y[chosen])
        left = np.setdiff1d(left, chosen)
    assert learner.score(convert(X_test), y_test) > before + 0.05


def test_fit_starts_anew_and_teach_adds():
    learner = ActiveLearner(GaussianNB())
    learner.fit([[0.0], [1.0]], ["a", "b"]).teach([[2.0]], ["c"])
    assert learner.classes.tolist() == ["a", "b", "c"]
    assert learner.fit([[0.0], [1.0]], ["a", "b"]).classes.tolist() == ["a", "b"]


def test_the_estimator_that_was_given_stays_untrained():
    estimator = GaussianNB()
    learner = ActiveLearner(estimator).fit([[0.0], [1.0]], [0, 1])
    assert not hasattr(estimator, "classes_")
    assert hasattr(learner.model, "classes_")


def test_a_class_without_labels_so_far_has_probability_zero():
    learner = ActiveLearner(GaussianNB(), classes=["a", "b", "z"]).fit([[0.0], [1.0]], ["a", "b"])
    assert learner.predict_proba([[0.2]])[0, 2] == 0.0
    assert learner.predict([[0.0]]).tolist() == ["a"]
    assert len(learner.query([[0.1], [0.2]], 1)) == 1


def test_labels_outside_the_fixed_classes_are_refused():
    with pytest.raises(UnknownName, match="unknown label 'c'"):
        ActiveLearner(GaussianNB(), classes=["a", "b"]).fit([[0.0]], ["c"])


def test_asking_before_there_are_labels_says_what_to_do():
    with pytest.raises(SettingError, match="call fit"):
        ActiveLearner(GaussianNB()).query([[0.0]], 1)


def test_items_and_labels_must_be_as_many():
    with pytest.raises(ShapeError, match="2 items and y has 1"):
        ActiveLearner(GaussianNB()).fit([[0.0], [1.0]], ["a"])


def test_a_pipeline_over_texts_compares_what_its_last_step_sees():
    texts = [f"{animal} number {i}" for i in range(10) for animal in ("cat", "dog")]
    labels = ["cat", "dog"] * 10
    learner = ActiveLearner(make_pipeline(CountVectorizer(), LogisticRegression())).fit(texts[:4], labels[:4])
    chosen = learner.query(texts[4:], 5)
    learner.teach([texts[4 + i] for i in chosen], [labels[4 + i] for i in chosen])
    assert learner.score(texts, labels) == 1.0
    assert learner.score(texts, labels, "recall:cat") == 1.0


def test_given_embeddings_must_be_of_the_pool():
    learner = ActiveLearner(GaussianNB()).fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(ShapeError, match="given for 3 items, expected 2"):
        learner.query([[0.0], [1.0]], 1, embeddings=np.eye(3))


def test_a_wide_sparse_pool_is_compared_along_its_main_directions():
    X = csr_matrix(np.random.default_rng(0).poisson(0.1, size=(200, 500)).astype(float))
    learner = ActiveLearner(LogisticRegression(), rng=1).fit(X[:20], np.arange(20) % 2)
    again = ActiveLearner(LogisticRegression(), rng=1).fit(X[:20], np.arange(20) % 2)
    assert learner.query(X[20:], 7).tolist() == again.query(X[20:], 7).tolist()


def test_importing_querist_imports_nothing_heavy():
    code = (
        "import sys, querist; querist.QueristError; from querist import score, select, ActiveLearner;"
        "print([m for m in ('sklearn', 'scipy', 'pandas', 'pyarrow', 'sqlalchemy') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True)
    assert run.stdout.strip() == "[]"


def test_the_public_names_are_all_there():
    assert querist.__version__
    assert "select" in dir(querist)
    with pytest.raises(AttributeError, match="it has ActiveLearner"):
        querist.nothing  # noqa: B018
