from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from querist.core.errors import ShapeError, UnknownName
from querist.stages.evaluation.metrics import check, confusion_matrix, higher_is_better, measure, of_confusion

CLASSES = ["a", "b", "c"]
# true a a a b b c, predicted a a b b b a
Y = np.array([0, 0, 0, 1, 1, 2])
PROBA = np.array([[0.8, 0.1, 0.1], [0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.1, 0.8, 0.1], [0.2, 0.6, 0.2], [0.5, 0.2, 0.3]])


@st.composite
def answers(draw):
    n_classes, n_items = draw(st.integers(2, 4)), draw(st.integers(1, 25))
    y = draw(st.lists(st.integers(0, n_classes - 1), min_size=n_items, max_size=n_items))
    row = st.lists(st.integers(1, 9), min_size=n_classes, max_size=n_classes)
    weights = draw(st.lists(row, min_size=n_items, max_size=n_items))
    proba = np.array(weights, dtype=float)
    return np.array(y), proba / proba.sum(axis=1, keepdims=True), [f"class {c}" for c in range(n_classes)]


def by_sklearn(name, y, proba, classes):
    predicted, labels = proba.argmax(axis=1), list(range(len(classes)))
    kind, _, label = name.partition(":")
    if label:
        score = {"f1": sk.f1_score, "recall": sk.recall_score, "precision": sk.precision_score}[kind]
        return score(y, predicted, labels=[classes.index(label)], average="macro", zero_division=0)
    return {
        "accuracy": lambda: sk.accuracy_score(y, predicted),
        "macro_f1": lambda: sk.f1_score(y, predicted, average="macro", zero_division=0),
        "micro_f1": lambda: sk.f1_score(y, predicted, average="micro", zero_division=0),
        "weighted_f1": lambda: sk.f1_score(y, predicted, average="weighted", zero_division=0),
        "cohen_kappa": lambda: np.nan_to_num(sk.cohen_kappa_score(y, predicted, labels=labels)),
        "mcc": lambda: sk.matthews_corrcoef(y, predicted),
        "log_loss": lambda: sk.log_loss(y, proba, labels=labels),
        "roc_auc": lambda: _over_classes(sk.roc_auc_score, y, proba),
        "average_precision": lambda: _over_classes(sk.average_precision_score, y, proba),
    }[name]()


def _over_classes(score, y, proba):
    defined = [c for c in np.unique(y) if score is sk.average_precision_score or (y != c).any()]
    return np.mean([score(y == c, proba[:, c]) for c in defined]) if defined else np.nan


ALL = ["accuracy", "macro_f1", "micro_f1", "weighted_f1", "cohen_kappa", "mcc", "log_loss", "roc_auc"]
ALL += ["average_precision", "f1:class 0", "recall:class 1", "precision:class 1"]


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=60)
@given(answer=answers())
def test_metrics_agree_with_scikit_learn(name, answer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns where a class is absent
        expected = by_sklearn(name, *answer)
    assert measure(name, *answer) == pytest.approx(expected, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("accuracy", 4 / 6),
        ("micro_f1", 4 / 6),
        ("recall:a", 2 / 3),
        ("precision:a", 2 / 3),
        ("f1:a", 2 / 3),
        ("f1:b", 4 / 5),
        ("f1:c", 0.0),
        ("macro_f1", (2 / 3 + 4 / 5 + 0) / 3),
        ("weighted_f1", (3 * 2 / 3 + 2 * 4 / 5) / 6),
        ("cohen_kappa", (4 / 6 - 15 / 36) / (1 - 15 / 36)),
        ("log_loss", -np.log([0.8, 0.7, 0.3, 0.8, 0.6, 0.3]).mean()),
    ],
)
def test_metrics_by_hand(name, by_hand):
    assert measure(name, Y, PROBA, CLASSES) == pytest.approx(by_hand)


def test_a_class_that_neither_occurs_nor_is_predicted_does_not_count_in_macro_f1():
    assert measure("macro_f1", np.array([0, 1]), np.eye(3)[:2], CLASSES) == 1.0


def test_roc_auc_and_average_precision_average_over_the_classes_that_occur():
    y, proba = np.array([0, 0, 1]), np.array([[0.6, 0.3, 0.1], [0.5, 0.4, 0.1], [0.1, 0.8, 0.1]])
    assert measure("roc_auc", y, proba, CLASSES) == 1.0
    assert measure("average_precision", y, proba, CLASSES) == 1.0


def test_roc_auc_of_one_class_is_undefined():
    assert np.isnan(measure("roc_auc", np.array([0, 0]), np.eye(3)[:2], CLASSES))


def test_roc_auc_of_constant_probabilities_is_a_half():
    assert measure("roc_auc", np.array([0, 1]), np.full((2, 2), 0.5), ["n", "p"]) == 0.5


def test_log_loss_of_a_certain_error_is_finite():
    assert 30 < measure("log_loss", np.array([1]), np.array([[1.0, 0.0]]), ["n", "p"]) < 40


def test_many_matrices_at_once_give_what_each_gives():
    matrices = np.random.default_rng(0).integers(0, 9, size=(2, 5, 3, 3))
    for name in ("accuracy", "macro_f1", "weighted_f1", "cohen_kappa", "mcc", "f1:b", "recall:c", "precision:a"):
        function = of_confusion(name, CLASSES)
        assert function(matrices).shape == (2, 5)
        assert function(matrices)[1, 3] == pytest.approx(float(function(matrices[1, 3])))


def test_the_confusion_matrix_counts_true_by_predicted():
    assert confusion_matrix(Y, PROBA).tolist() == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]


def test_only_log_loss_is_better_lower():
    assert not higher_is_better("log_loss")
    assert higher_is_better("f1:a")


@pytest.mark.parametrize("name", ["accurracy", "f1", "f2:a", "log_loss:a"])
def test_an_unknown_metric_is_refused_with_those_available(name):
    with pytest.raises(UnknownName, match=r"accuracy.*f1:CLASS"):
        check(name, CLASSES)


def test_an_unknown_class_is_refused_with_those_available():
    with pytest.raises(UnknownName, match=r"'d'.*a, b, c"):
        check("recall:d", CLASSES)
    check("recall:d")


def test_a_class_name_may_hold_a_colon():
    assert measure("recall:x:y", np.array([1]), np.array([[0.1, 0.9]]), ["n", "x:y"]) == 1.0


@pytest.mark.parametrize(
    ("y", "proba", "message"),
    [
        (Y[:2], PROBA, r"labels have shape \(2,\)"),
        (Y, PROBA[:, :1] / PROBA[:, :1], "1 columns for 3 classes"),
        (np.array([], dtype=int), np.empty((0, 3)), "at least one"),
        (np.array([-1]), PROBA[:1], "0..2"),
        (np.array([3]), PROBA[:1], "0..2"),
    ],
)
def test_arrays_that_no_metric_can_use_are_refused(y, proba, message):
    with pytest.raises(ShapeError, match=message):
        measure("accuracy", y, proba, CLASSES)
