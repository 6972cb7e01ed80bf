from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.core.errors import PoolExhausted, ShapeError
from querist.core.selection import place_in_group, stream, top_k

tied_scores = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), min_size=1, max_size=30)


@given(scores=tied_scores, data=st.data(), seed=st.integers(0, 99))
def test_top_k_holds_the_k_highest_best_first(scores, data, seed):
    k = data.draw(st.integers(0, len(scores)))
    chosen = top_k(np.array(scores), k, np.random.default_rng(seed))
    assert len(set(chosen.tolist())) == k
    assert [scores[i] for i in chosen] == sorted(scores, reverse=True)[:k]


def test_equal_scores_all_get_their_chance():
    firsts = {int(top_k(np.zeros(4), 1, np.random.default_rng(seed))[0]) for seed in range(50)}
    assert firsts == {0, 1, 2, 3}


def test_top_k_of_more_than_there_are_is_refused():
    with pytest.raises(PoolExhausted, match="asked for 3 items but the pool holds 2"):
        top_k(np.zeros(2), 3, np.random.default_rng(0))


@pytest.mark.parametrize("scores", [np.zeros((2, 2)), np.array([0.0, np.nan])])
def test_top_k_refuses_what_has_no_order(scores):
    with pytest.raises(ShapeError):
        top_k(scores, 1, np.random.default_rng(0))


def test_places_count_within_each_group_by_the_first_key_then_the_second():
    groups = np.array([7, 3, 7, 3, 7])
    first, second = np.array([1, 1, 0, 0, 1]), np.array([0.5, 0.0, 9.0, 9.0, 0.4])
    assert place_in_group(groups, first, second, rng=np.random.default_rng(0)).tolist() == [2, 1, 0, 0, 1]


def test_places_of_nothing_are_nothing():
    assert place_in_group(np.array([]), rng=np.random.default_rng(0)).tolist() == []


@given(groups=st.lists(st.integers(0, 3), max_size=30), seed=st.integers(0, 9))
def test_places_of_a_group_are_zero_to_its_size(groups, seed):
    places = place_in_group(np.array(groups, dtype=int), rng=np.random.default_rng(seed))
    for group in set(groups):
        members = sorted(p for p, g in zip(places, groups, strict=True) if g == group)
        assert members == list(range(groups.count(group)))


def test_a_stream_depends_on_its_path_only():
    assert stream(0, 3, "asking").random() == stream(0, 3, "asking").random()
    assert stream(0, 3, "asking").random() != stream(0, 4, "asking").random()
