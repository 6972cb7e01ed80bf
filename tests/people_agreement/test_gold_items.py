"""Gold: which items are mixed in, and how right people are."""

from __future__ import annotations

from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.asking import pick_gold
from querist.stages.human_labeling.gold import GoldResult, gold_accuracy, gold_results
from querist.stages.human_labeling.resolve import Vote


def test_gold_comes_from_the_known_items_in_even_shares():
    known = np.array([-1, 0, 0, 0, 0, 0, 0, 1, 1, -1])
    found = pick_gold(4, known, np.random.default_rng(0))
    assert sorted(known[found]) == [0, 0, 1, 1]
    assert len(set(found)) == 4


def test_where_few_are_known_all_of_them_are_gold():
    known = np.array([-1, 2, -1, 0])
    assert sorted(pick_gold(10, known, np.random.default_rng(0))) == [1, 3]
    assert len(pick_gold(3, np.full(4, -1), np.random.default_rng(0))) == 0


@given(st.lists(st.integers(-1, 3), max_size=40), st.integers(0, 20), st.integers(0, 99))
def test_gold_is_known_never_twice_and_the_same_for_the_same_draw(codes, n, seed):
    known = np.array(codes, dtype=np.int64)
    found = pick_gold(n, known, np.random.default_rng(seed))
    assert len(set(found)) == len(found) == min(n, (known >= 0).sum())
    assert (known[found] >= 0).all()
    assert found.tolist() == pick_gold(n, known, np.random.default_rng(seed)).tolist()


def test_right_and_asked_by_annotator():
    truth = {"g1": "cat", "g2": "dog"}
    answers = [
        Vote("g1", "ann", "cat", "1"),
        Vote("g2", "ann", "cat", "2"),
        Vote("g1", "bob", None, "3"),
        Vote("other", "bob", "cat", "4"),
        Vote("g2", "cy", "dog", "5"),
    ]
    assert gold_results(answers, truth) == {"ann": GoldResult(1, 2), "cy": GoldResult(1, 1)}


def test_wilsons_interval_by_hand():
    value, low, high = gold_accuracy(GoldResult(8, 10))
    assert value == 0.8
    assert (low, high) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_all_right_is_not_certain_and_nothing_asked_says_nothing():
    assert gold_accuracy(GoldResult(10, 10)) == pytest.approx((1.0, 0.7225, 1.0), abs=1e-4)
    assert gold_accuracy(GoldResult(0, 10)) == pytest.approx((0.0, 0.0, 0.2775), abs=1e-4)
    assert all(map(isnan, gold_accuracy(GoldResult(0, 0))))
