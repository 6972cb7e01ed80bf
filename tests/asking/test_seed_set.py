from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.config.loop import SeedSettings
from querist.core.errors import PoolExhausted, SettingError, UnknownName
from querist.stages.initial_model import seed_set
from querist.stages.initial_model.seed_set import (
    balanced_shares,
    draw_seed,
    seed_size,
    stratified_shares,
    typicality,
)

counts_and_size = (
    st.lists(st.integers(0, 20), min_size=1, max_size=6)
    .filter(any)
    .flatmap(lambda counts: st.tuples(st.just(np.array(counts)), st.integers(0, sum(counts))))
)


def draw(kind, size, *, labels=None, points=None, n_items=None, seed=0):
    n_items = n_items or len(labels if labels is not None else points)
    return draw_seed(
        kind,
        size,
        n_items=n_items,
        labels=None if labels is None else np.array(labels),
        embed=None if points is None else lambda indices: points[indices],
        rng=np.random.default_rng(seed),
    )


def test_the_default_is_five_percent_without_a_warning():
    assert seed_size(SeedSettings(), 1000) == (50, None)


def test_a_size_outside_the_advice_carries_a_warning_with_the_figures():
    size, warning = seed_size(SeedSettings(size=4000), 200_000)
    assert size == 4000
    assert "2.00% of the pool" in warning
    assert "10000 to 20000" in warning
    assert seed_size(SeedSettings(share=0.2), 100)[1] is not None


def test_rounding_alone_causes_no_warning():
    assert seed_size(SeedSettings(share=0.05), 1010) == (50, None)


def test_a_seed_set_is_never_larger_than_the_pool():
    assert seed_size(SeedSettings(size=10), 4)[0] == 4
    assert seed_size(SeedSettings(), 0)[0] == 0


def test_balanced_shares_are_equal_and_small_classes_give_all():
    assert balanced_shares(np.array([100, 100, 2]), 20).tolist() == [9, 9, 2]
    assert balanced_shares(np.array([5, 0, 5]), 4).tolist() == [2, 0, 2]


def test_stratified_shares_go_by_largest_remainder():
    # 10 of 47:16:37 is 4.7, 1.6, 3.7; the two left go to the remainders of .7
    assert stratified_shares(np.array([47, 16, 37]), 10).tolist() == [5, 1, 4]


@given(counts_and_size)
def test_balanced_shares_add_up_and_differ_by_one_at_most_where_there_is_plenty(given_):
    counts, size = given_
    shares = balanced_shares(counts, size)
    assert shares.sum() == size
    assert (shares <= counts).all()
    unfilled = shares[shares < counts]
    assert not len(unfilled) or shares.max() - unfilled.min() <= 1


@given(counts_and_size)
def test_stratified_shares_add_up_and_stay_within_one_of_exact(given_):
    counts, size = given_
    shares = stratified_shares(counts, size)
    assert shares.sum() == size
    assert (shares <= counts).all()
    assert (np.abs(shares - size * counts / counts.sum()) < 1).all()


@pytest.mark.parametrize("kind", ["auto", "balanced"])
def test_a_balanced_draw_takes_as_many_of_each_class(kind):
    labels = np.r_[np.zeros(90, int), np.ones(8, int), np.full(2, 2)]
    chosen = draw(kind, 10, labels=labels).indices
    assert np.bincount(labels[chosen]).tolist() == [4, 4, 2]
    assert len(set(chosen.tolist())) == 10


def test_a_stratified_draw_keeps_the_shares():
    labels = np.r_[np.zeros(90, int), np.ones(10, int)]
    assert np.bincount(labels[draw("stratified", 20, labels=labels).indices]).tolist() == [18, 2]


def test_too_few_labels_are_filled_up_with_typical_items():
    labels = [-1] * 20 + [0, 1, 1]
    chosen = draw("auto", 8, labels=labels, points=np.random.default_rng(0).normal(size=(23, 2)))
    assert {20, 21, 22} <= set(chosen.indices.tolist())
    assert len(set(chosen.indices.tolist())) == 8
    assert len(chosen.scores) == 8
    assert "typical" in chosen.note


def test_the_most_typical_of_a_heap_is_its_middle():
    points = np.array([[0.0], [1.0], [2.0], [3.0], [4.0]])
    assert typicality(points).argmax() == 2
    assert typicality(points)[2] == pytest.approx(-(2 + 1 + 1 + 2) / 4)
    assert typicality(points[:1]).tolist() == [0.0]


@pytest.mark.parametrize("kind", ["auto", "typical"])
def test_a_cold_start_asks_one_typical_item_of_each_heap(kind):
    rng = np.random.default_rng(0)
    centres = np.array([[0, 0], [50, 0], [0, 50], [50, 50]])
    points = (np.repeat(centres, 30, axis=0) + rng.normal(size=(120, 2))).astype(np.float32)
    chosen = draw(kind, 4, points=points)
    assert sorted((chosen.indices // 30).tolist()) == [0, 1, 2, 3]
    distance = np.linalg.norm(points[chosen.indices] - centres[chosen.indices // 30], axis=1)
    assert (distance < 1).all()


def test_equal_points_still_fill_the_seed_set():
    chosen = draw("typical", 7, points=np.ones((10, 3), dtype=np.float32))
    assert len(set(chosen.indices.tolist())) == 7
    assert np.isfinite(chosen.scores).all()


def test_a_large_pool_is_sampled_and_a_large_cluster_cut_to_its_core(monkeypatch):
    monkeypatch.setattr(seed_set, "SAMPLE", 40)
    monkeypatch.setattr(seed_set, "CLUSTER_CORE", 5)
    asked = []
    points = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)

    def embed(indices):
        asked.append(len(indices))
        return points[indices]

    chosen = draw_seed("typical", 3, n_items=500, labels=None, embed=embed, rng=np.random.default_rng(0))
    assert asked == [40]
    assert len(set(chosen.indices.tolist())) == 3


@pytest.mark.parametrize("kind", ["random", "typical", "balanced", "stratified", "auto"])
def test_the_same_seed_draws_the_same_items_and_another_seed_others(kind):
    points, labels = np.random.default_rng(0).normal(size=(200, 2)), np.arange(200) % 3
    once, again, other = (draw(kind, 12, labels=labels, points=points, seed=s).indices.tolist() for s in (0, 0, 1))
    assert once == again
    assert once != other


@pytest.mark.parametrize("kind", ["random", "typical", "balanced", "stratified", "auto"])
def test_the_whole_pool_and_nothing_of_it_can_be_drawn(kind):
    points, labels = np.random.default_rng(0).normal(size=(9, 2)), np.arange(9) % 3
    assert sorted(draw(kind, 9, labels=labels, points=points).indices.tolist()) == list(range(9))
    assert draw(kind, 0, labels=labels, points=points).indices.tolist() == []


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(PoolExhausted, match="a seed set of 4 was asked for but the pool holds 3"):
        draw("random", 4, n_items=3)
    with pytest.raises(SettingError, match='"balanced" needs labels'):
        draw("balanced", 2, n_items=3)
    with pytest.raises(SettingError, match="needs embeddings"):
        draw("typical", 2, n_items=3)
    with pytest.raises(UnknownName):
        draw("typicl", 2, n_items=3)
