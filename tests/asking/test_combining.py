from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import querist
from querist.config import parse
from querist.core.errors import SettingError, ShapeError, UnknownName
from querist.stages.uncertainty_scoring.combine import combine, join, weights_of_classes
from querist.stages.uncertainty_scoring.measures import entropy, ratio
from querist.stages.uncertainty_scoring.schedule import share_done, weights_at

PROBA = np.array([[0.6, 0.4, 0.0], [0.5, 0.0, 0.5], [1.0, 0.0, 0.0]])


def test_ratio_is_the_second_over_the_first():
    assert ratio(PROBA) == pytest.approx([0.4 / 0.6, 1.0, 0.0])


def test_a_class_weight_multiplies_by_its_expected_share():
    weighted, parts = combine({"entropy": 1.0}, PROBA, class_weights=np.array([1.0, 1.0, 3.0]))
    assert weighted == pytest.approx(entropy(PROBA) * [1.0, 2.0, 1.0])
    assert parts["entropy"] == pytest.approx(entropy(PROBA))


def test_class_weights_of_one_change_nothing():
    assert querist.score(PROBA, class_weights=[1, 1, 1]) == pytest.approx(querist.score(PROBA))


def test_class_weights_turn_the_choice_toward_the_heavy_class():
    proba = np.array([[0.5, 0.5, 0.0], [0.5, 0.0, 0.5]])
    assert querist.select("uncertainty", 1, proba=proba, class_weights=[1, 1, 2], rng=0).tolist() == [1]
    assert querist.select("uncertainty", 1, proba=proba, class_weights=[1, 2, 1], rng=0).tolist() == [0]


@pytest.mark.parametrize("weights", [[1, -1, 1], [0, 0, 0], [1, np.nan, 1]])
def test_useless_class_weights_are_refused(weights):
    with pytest.raises(SettingError, match="class weights"):
        querist.score(PROBA, class_weights=weights)


def test_class_weights_of_another_number_of_classes_are_refused():
    with pytest.raises(ShapeError, match=r"shape \(3,\)"):
        querist.score(PROBA, class_weights=[1, 2])


def test_class_weights_of_settings_go_by_label():
    assert weights_of_classes({"b": 4.0}, ("a", "b")).tolist() == [1.0, 4.0]
    assert weights_of_classes({}, ("a", "b")) is None
    with pytest.raises(UnknownName, match="'c'"):
        weights_of_classes({"c": 4.0}, ("a", "b"))


def test_quantiles_keep_the_distances_that_ranks_lose():
    parts = {"a": np.arange(101.0), "b": np.zeros(101)}
    joined = join({"a": 1.0, "b": 1.0}, parts, combination="quantile")
    assert joined == pytest.approx((np.arange(101) - 5) / 90 / 2)


def test_quantiles_of_a_few_high_scores_among_equal_ones_use_the_whole_range():
    parts = {"a": np.r_[np.zeros(99), 8.0], "b": np.zeros(100)}
    assert join({"a": 1.0, "b": 1.0}, parts, combination="quantile").tolist() == [0.0] * 99 + [0.5]


def test_a_product_is_the_weighted_geometric_mean():
    parts = {"a": np.array([4.0, 0.0]), "b": np.array([1.0, 9.0])}
    assert join({"a": 1.0, "b": 1.0}, parts, combination="product") == pytest.approx([2.0, 0.0])
    assert join({"a": 3.0, "b": 1.0}, parts, combination="product") == pytest.approx([4**0.75, 0.0])


def test_a_weight_of_zero_leaves_a_measure_out_of_a_product():
    parts = {"a": np.zeros(2), "b": np.array([1.0, 9.0])}
    assert join({"a": 0.0, "b": 1.0}, parts, combination="product") == pytest.approx([1.0, 9.0])


def test_a_product_of_negative_scores_is_refused():
    with pytest.raises(SettingError, match="'a' gives scores below 0"):
        join({"a": 1.0, "b": 1.0}, {"a": np.array([-1.0]), "b": np.ones(1)}, combination="product")


def test_an_unknown_combination_is_refused():
    with pytest.raises(UnknownName, match="product, quantile, rank"):
        querist.score(PROBA, measure={"margin": 1, "entropy": 1}, combination="sum")


@pytest.mark.parametrize("combination", ["rank", "quantile", "product"])
@given(seed=st.integers(0, 50))
def test_no_combination_turns_round_what_all_measures_agree_on(combination, seed):
    part = np.sort(np.random.default_rng(seed).random(12))
    joined = join({"a": 1.0, "b": 2.0}, {"a": part, "b": 5 * part**3}, combination=combination)
    assert (np.diff(joined) > 0).all()


# schedules


def test_a_pair_moves_in_a_straight_line_and_a_number_stays():
    measures = {"margin": [1.0, 0.0], "entropy": [0.0, 2.0], "ratio": 3.0}
    assert weights_at(measures, 0.0) == {"margin": 1.0, "entropy": 0.0, "ratio": 3.0}
    assert weights_at(measures, 0.25) == {"margin": 0.75, "entropy": 0.5, "ratio": 3.0}
    assert weights_at(measures, 1.0) == {"margin": 0.0, "entropy": 2.0, "ratio": 3.0}


def test_the_way_behind_is_the_share_of_the_budget_spent():
    assert share_done(3, 20, labels=25, budget_left=75) == 0.25
    assert share_done(3, 20, labels=0, budget_left=0) == 1.0


def test_without_a_budget_the_way_is_counted_in_rounds():
    assert [share_done(n, 4, labels=9, budget_left=None) for n in (1, 2, 5, 9)] == [0.0, 0.25, 1.0, 1.0]


def query(**values):
    return parse({"query": values}).query


def test_settings_take_numbers_and_pairs():
    assert query(measures={"margin": [1, 0], "entropy": 2}).measures == {"margin": [1.0, 0.0], "entropy": 2.0}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"measures": {"margin": -1}}, "the weight of margin must be a number of 0 or more, or"),
        ({"measures": {"margin": "x"}}, "the weight of margin must be"),
        ({"measures": {"margin": [1, 2, 3]}}, "the weight of margin must be"),
        ({"measures": {"margin": [1, -2]}}, r"weights \[start, end\] of margin"),
        ({"measures": {"margin": [1, 0], "entropy": 0}}, "all weights are 0 at the end"),
        ({"measures": {"margin": 0}}, "all weights are 0 at the start"),
        ({"class_weights": {"spam": -1}}, "the weight of spam"),
        ({"combination": "sum"}, "query.combination = 'sum'"),
        ({"horizon": 0}, "query.horizon = 0"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_one_sentence(values, message):
    with pytest.raises(SettingError, match=message) as caught:
        query(**values)
    assert len(str(caught.value).splitlines()) == 1
