from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from querist.core.checks import check_embeddings, check_proba, check_scores
from querist.core.errors import SettingError, ShapeError, UnknownName
from querist.plugins import available, find
from querist.stages.uncertainty_scoring import measures
from querist.stages.uncertainty_scoring.combine import combine, join
from querist.stages.uncertainty_scoring.measures import entropy, least_confidence, margin

MEASURES = available("measures")


@st.composite
def probabilities(draw, max_items=20, max_classes=5):
    shape = (draw(st.integers(1, max_items)), draw(st.integers(1, max_classes)))
    weights = draw(arrays(np.float64, shape, elements=st.sampled_from([0.0, 1e-12, 0.1, 0.5, 1.0, 3.0])))
    weights[weights.sum(axis=1) == 0] = 1.0
    return weights / weights.sum(axis=1, keepdims=True)


def reference(name, row):
    first, second = sorted([*row, 0.0], reverse=True)[:2]
    if name == "least_confidence":
        return 1 - first
    if name == "margin":
        return 1 - (first - second) if len(row) > 1 else 0.0
    return -sum(p * log(p) for p in row if p > 0)


def test_margin_of_a_tie_is_one():
    assert margin(np.array([[0.5, 0.5, 0.0]])) == pytest.approx([1.0])


def test_margin_is_one_less_the_lead_of_the_first():
    assert margin(np.array([[0.2, 0.7, 0.1]])) == pytest.approx([0.5])


def test_least_confidence_is_what_the_first_class_lacks():
    assert least_confidence(np.array([[0.2, 0.7, 0.1]])) == pytest.approx([0.3])


def test_entropy_of_a_coin_is_log_two():
    assert entropy(np.array([[0.5, 0.5]])) == pytest.approx([log(2)])


def test_entropy_of_certainty_is_zero_and_not_nan():
    assert entropy(np.array([[1.0, 0.0], [0.0, 1.0]])).tolist() == [0.0, 0.0]


def test_entropy_is_not_negative_where_rounding_put_p_above_one():
    assert entropy(np.array([[np.nextafter(1.0, 2), 0.0]])).tolist() == [0.0]


@pytest.mark.parametrize("name", MEASURES)
def test_one_class_leaves_nothing_to_ask(name):
    assert find("measures", name)(np.ones((3, 1))).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("name", MEASURES)
def test_float32_gives_the_scores_of_float64(name):
    proba = np.random.default_rng(0).dirichlet(np.ones(4), size=50)
    single = find("measures", name)(proba.astype(np.float32))
    assert single == pytest.approx(find("measures", name)(proba), abs=1e-6)


@pytest.mark.parametrize("name", MEASURES)
def test_blocks_do_not_show(name, monkeypatch):
    proba = np.random.default_rng(0).dirichlet(np.ones(3), size=23)
    whole = find("measures", name)(proba)
    monkeypatch.setattr(measures, "CELLS", 12)
    monkeypatch.setattr(measures, "COLUMN_ROWS", 4)
    assert np.array_equal(find("measures", name)(proba), whole)


@pytest.mark.parametrize("name", ["least_confidence", "margin", "entropy"])
@given(proba=probabilities())
def test_measures_agree_with_the_textbook(name, proba):
    expected = [reference(name, row) for row in proba]
    assert find("measures", name)(proba) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", MEASURES)
@given(proba=probabilities(), data=st.data())
def test_the_order_of_classes_does_not_matter(name, proba, data):
    order = data.draw(st.permutations(range(proba.shape[1])))
    assert find("measures", name)(proba[:, order]) == pytest.approx(find("measures", name)(proba), abs=1e-9)


def test_one_measure_stays_as_it_is():
    scores, parts = combine({"entropy": 3.0}, np.array([[0.5, 0.5]]))
    assert scores == pytest.approx([log(2)])
    assert parts["entropy"] is scores


def test_two_measures_join_as_weighted_mean_of_ranks():
    parts = {"a": np.array([0.1, 0.2, 0.9]), "b": np.array([50.0, 20.0, 20.0])}
    # ranks of a: 0, 1/2, 1; of b: 1, 1/4, 1/4 (the tie shares its rank)
    assert join({"a": 3.0, "b": 1.0}, parts) == pytest.approx([0.25, 0.4375, 0.8125])


def test_all_equal_scores_join_to_a_half():
    assert join({"a": 1.0, "b": 1.0}, {"a": np.zeros(3), "b": np.ones(3)}) == pytest.approx([0.5, 0.5, 0.5])


def test_a_pool_of_one_joins_to_a_half():
    assert join({"a": 1.0, "b": 1.0}, {"a": np.zeros(1), "b": np.ones(1)}).tolist() == [0.5]


@given(proba=probabilities(), weight=st.floats(0.01, 100))
def test_joined_scores_lie_between_zero_and_one(proba, weight):
    scores, parts = combine({"entropy": weight, "margin": 1.0, "least_confidence": 0.0}, proba)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert set(parts) == {"entropy", "margin", "least_confidence"}


@pytest.mark.parametrize("weights", [{}, {"margin": -1.0}, {"margin": float("nan")}, {"margin": 0.0, "entropy": 0.0}])
def test_useless_weights_are_refused(weights):
    with pytest.raises(SettingError):
        combine(weights, np.ones((1, 1)))


def test_an_unknown_measure_is_named_with_those_available():
    with pytest.raises(UnknownName, match="entropy, least_confidence, margin"):
        combine({"entropie": 1.0}, np.ones((1, 1)))


@pytest.mark.parametrize(
    ("proba", "message"),
    [
        ([0.5, 0.5], "shape"),
        (np.ones((2, 0)), "shape"),
        ([[0.5, 0.5], [np.nan, 1.0]], "NaN in row 1"),
        ([[1.5, -0.5]], "negative in row 0"),
        ([[0.5, 0.4]], "do not sum to 1 in row 0"),
        ([[np.inf, 0.0]], "do not sum to 1"),
        ([["a", "b"]], "array of numbers"),
        ([[0.5, 0.5], [1.0]], "array of numbers"),
    ],
)
def test_bad_probabilities_are_refused_with_the_row(proba, message):
    with pytest.raises(ShapeError, match=message):
        check_proba(proba)


def test_probabilities_rounded_to_three_digits_pass():
    assert check_proba([[0.333, 0.333, 0.333]]).shape == (1, 3)


def test_arrays_of_another_length_are_refused():
    for check, values in [
        (check_proba, np.ones((2, 1))),
        (check_scores, np.ones(2)),
        (check_embeddings, np.ones((2, 1))),
    ]:
        with pytest.raises(ShapeError, match="2 items, expected 3"):
            check(values, n_items=3)


def test_float32_rows_of_many_classes_are_taken_in_either_order_of_memory():
    proba = np.full((2, 50_000), 0.1 / 50_000, dtype=np.float32)
    proba[:, 0] = 0.9
    assert check_proba(proba).shape == check_proba(np.asfortranarray(proba)).shape
