"""Shares, strata, quotas and mixtures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.core.errors import SettingError, StrategyError, UnknownName
from querist.core.types import Pool
from querist.stages.query_strategy.ask import ask, make
from querist.stages.query_strategy.parts import only
from querist.stages.query_strategy.quota import Quota, fill_quota, labels_missing, target_shares
from querist.stages.query_strategy.shares import allocate, draw_counts, take_turns
from querist.stages.query_strategy.stratified import Stratified, draw_stratified
from querist.testing.strategies import make_pool


def rng(seed=0):
    return np.random.default_rng(seed)


# shares


def test_shares_in_proportion_by_largest_remainder():
    assert allocate(10, [5, 3, 2], [9, 9, 9], rng()).tolist() == [5, 3, 2]
    assert allocate(7, [5, 3, 2], [9, 9, 9], rng()).tolist() == [4, 2, 1]  # 3.5 2.1 1.4


def test_what_a_full_group_cannot_take_goes_to_the_others():
    assert allocate(10, [1, 1, 1], [1, 9, 9], rng()).tolist() in ([1, 5, 4], [1, 4, 5])


def test_groups_without_weight_take_what_no_other_can():
    assert allocate(5, [1, 0], [2, 9], rng()).tolist() == [2, 3]


def test_equal_remainders_go_to_each_group_as_often():
    given_ = sum(allocate(1, [1, 1, 1], [9, 9, 9], rng(s)) for s in range(900))
    assert given_ == pytest.approx([300] * 3, abs=60)


@settings(max_examples=200)
@given(data=st.data())
def test_shares_always_fit_and_add_up(data):
    room = data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=6))
    weights = data.draw(st.lists(st.sampled_from([0, 0.1, 1, 7.5]), min_size=len(room), max_size=len(room)))
    total = data.draw(st.integers(0, sum(room)))
    counts = allocate(total, weights, room, rng())
    assert counts.sum() == total
    assert (counts >= 0).all()
    assert (counts <= room).all()


def test_drawn_counts_keep_small_shares_on_average():
    counts = np.array([draw_counts(3, [0.9, 0.1], rng(s)) for s in range(3000)])
    assert (counts.sum(axis=1) == 3).all()
    assert counts.mean(axis=0) == pytest.approx([2.7, 0.3], abs=0.05)
    assert set(counts[:, 1]) == {0, 1}


def test_turns_keep_the_shares_in_every_first_part():
    order = take_turns(np.array([4, 2]), rng())
    assert sorted(order.tolist()) == [0, 1, 2, 3, 4, 5]
    assert (order[:3] < 4).sum() == 2


# stratified


def test_strata_in_proportion_hold_their_share_of_the_batch():
    strata = np.array([0] * 60 + [1] * 30 + [2] * 10)
    picked, counts = draw_stratified(strata, 10, rng(), even=False)
    assert counts.tolist() == [6, 3, 1]
    assert np.bincount(strata[picked]).tolist() == [6, 3, 1]


def test_even_strata_are_as_even_as_the_small_ones_allow():
    strata = np.array([0] * 60 + [1] * 30 + [2] * 2)
    assert sorted(draw_stratified(strata, 10, rng(), even=True)[1].tolist()) == [2, 4, 4]


def test_within_a_stratum_every_item_has_the_same_chance():
    strata = np.array([0, 0, 0, 1])
    drawn = np.bincount(np.concatenate([draw_stratified(strata, 2, rng(s), even=True)[0] for s in range(900)]))
    assert drawn == pytest.approx([300, 300, 300, 900], abs=60)


def test_strata_by_prediction_are_named_in_the_note():
    proba = np.eye(2)[[0] * 8 + [1] * 2]
    chosen = ask(Stratified(shares="even"), Pool(10, proba=proba, classes=("no", "yes")), 4, rng())
    assert sorted((chosen.indices >= 8).tolist()) == [False, False, True, True]
    assert "2 of no, 2 of yes" in chosen.note


def test_strata_by_clusters_need_no_model():
    points = np.r_[np.zeros((30, 2)), np.full((10, 2), 9.0)].astype(np.float32)
    strategy = Stratified(by="clusters", clusters=2)
    assert strategy.needs == {"embeddings"}
    chosen = ask(strategy, Pool(40, embed=lambda at: points[at]), 8, rng())
    assert (chosen.indices < 30).sum() == 6


@pytest.mark.parametrize("setting", [{"by": "colour"}, {"shares": "fair"}, {"clusters": 0}])
def test_strata_that_cannot_be_are_refused(setting):
    with pytest.raises(SettingError, match=str(next(iter(setting.values())))):
        Stratified(**setting)


# quota


def test_an_even_target_gives_the_batch_to_what_is_missing():
    # 12 + 6 labels: 6 of each wanted
    assert labels_missing(np.full(3, 1 / 3), np.array([8, 3, 1]), 6).tolist() == pytest.approx([0, 3, 5])


def test_targets_by_name_and_as_labeled():
    labeled = np.array([6, 2, 0])
    assert target_shares("labeled", labeled, ["a", "b", "c"]).tolist() == [0.75, 0.25, 0]
    assert target_shares({"b": 0.5}, labeled, ["a", "b", "c"]).tolist() == [0.25, 0.5, 0.25]
    with pytest.raises(UnknownName, match=r"'d'.*a, b, c"):
        target_shares({"d": 0.5}, labeled, ["a", "b", "c"])


def test_each_class_gives_its_most_uncertain_items():
    proba = np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8], [0.4, 0.6]])
    scores = 1 - np.abs(proba[:, 0] - proba[:, 1])
    picked, wanted, predicted = fill_quota(scores, proba, np.array([2, 1]), rng())
    assert set(picked.tolist()) == {1, 2, 4}
    assert predicted.all()
    assert wanted[picked == 4].tolist() == [1]


def test_a_class_that_the_model_never_predicts_is_looked_for_among_its_likeliest():
    proba = np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.8, 0.2]])
    picked, wanted, predicted = fill_quota(1 - proba[:, 0], proba, np.array([0, 2]), rng())
    assert picked.tolist() == [1, 2]
    assert wanted.tolist() == [1, 1]
    assert not predicted.any()


def test_quota_asks_more_of_the_minority_than_uncertainty_does():
    generator = rng(3)
    rare = generator.random(500) < 0.1
    p = np.where(rare, generator.uniform(0.5, 0.9, 500), generator.uniform(0.0, 0.5, 500))
    proba = np.stack([1 - p, p], axis=1)
    pool = Pool(500, proba=proba, scores=1 - np.abs(1 - 2 * p), labeled_codes=np.r_[np.zeros(45, int), np.ones(5, int)])
    with_quota = rare[ask(Quota(), pool, 40, rng()).indices].sum()
    assert with_quota > 2 * rare[ask(make("uncertainty")[0], pool, 40, rng()).indices].sum()


def test_quota_speaks_of_its_classes():
    chosen = ask(Quota(target={"c": 1.0}), make_pool(60), 6, rng())
    assert chosen.note.startswith("The most uncertain of each class, toward the shares set: ")
    assert all(reason.startswith("for the share of ") for reason in chosen.reasons)
    assert sum(chosen.thresholds.values()) == pytest.approx(6)


@pytest.mark.parametrize("target", ["fair", {}, {"a": 1.5}, {"a": 0.7, "b": 0.7}, {"a": True}])
def test_targets_that_cannot_be_are_refused(target):
    with pytest.raises(SettingError, match="quota"):
        Quota(target=target)


# mixture


def test_a_mixture_asks_each_part_for_its_share_and_nothing_twice():
    strategy = make("mixture", {"of": {"uncertainty": 1, "margin": 1, "random": 2}})[0]
    pool = make_pool(30)
    chosen = ask(strategy, pool, 8, rng())
    by = [reason.removeprefix("asked by ") for reason in chosen.reasons]
    assert {name: by.count(name) for name in by} == {"uncertainty": 2, "margin": 2, "random": 4}
    best = ask(make("uncertainty")[0], pool, 2, rng()).indices
    assert {i for i, name in zip(chosen.indices, by, strict=True) if name == "uncertainty"} == set(best)
    assert "2 by margin" in chosen.note


def test_a_part_with_a_measure_ranks_by_it_and_not_by_the_pool_s_scores():
    pool = make_pool(30, scores=np.zeros(30))
    mixed = make("mixture", {"of": {"entropy": 1}})[0]
    assert mixed.needs == {"proba"}
    proba = pool.proba
    entropy = -(proba * np.log(proba)).sum(axis=1)
    assert set(ask(mixed, pool, 5, rng()).indices) == set(np.argsort(-entropy)[:5])


def test_settings_of_a_part_stand_beside_its_share():
    strategy = make("mixture", {"of": {"kmeans": {"share": 0.5, "clusters": 3}, "random": 0.5}})[0]
    assert strategy.parts[0].strategy.clusters == 3
    assert strategy.needs == {"scores", "embeddings"}


def test_a_tenth_at_random_reaches_what_the_model_is_sure_of():
    pool = make_pool(100)
    sure = set(np.argsort(pool.scores)[:50].tolist())
    asked = [i for s in range(60) for i in ask(make("mixture")[0], pool, 10, rng(s)).indices.tolist()]
    assert sum(i in sure for i in asked) / len(asked) == pytest.approx(0.055, abs=0.02)


@pytest.mark.parametrize("of", [{}, {"random": 0}, {"random": "much"}, {"random": {}}, {"rundom": 1}])
def test_mixtures_that_cannot_be_are_refused(of):
    with pytest.raises(SettingError):
        make("mixture", {"of": of})


def test_the_pool_of_some_items_shows_those_alone():
    whole = make_pool(10, previous_proba=np.full((10, 3), 1 / 3))
    some = only(whole, np.array([7, 2, 5]))
    assert some.ids.tolist() == [7, 2, 5]
    for name in ("proba", "previous_proba", "scores", "costs"):
        assert getattr(some, name).tolist() == getattr(whole, name)[[7, 2, 5]].tolist()
    assert some.embed(slice(1, 3)).tolist() == whole.embed(np.array([2, 5])).tolist()
    assert some.X()[0].tolist() == whole.X()[7].tolist()
    assert some.samples()[:, 1].tolist() == whole.samples()[:, 2].tolist()
    assert only(Pool(3), np.array([1])).proba is None


def test_a_mixture_says_what_its_hungriest_part_needs():
    strategy = make("mixture", {"of": {"hierarchical": 1, "random": 1}})[0]
    with pytest.raises(StrategyError, match="'Mixture' needs"):
        ask(strategy, make_pool(100, memory_bytes=50_000), 5, rng())
