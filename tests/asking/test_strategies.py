from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.core.errors import PoolExhausted, SettingError, ShapeError, StrategyError, UnknownName
from querist.core.types import Pool, Selection
from querist.plugins import available
from querist.stages.query_strategy.ask import ask, make
from querist.stages.query_strategy.candidates import choose_candidates, effective_number
from querist.stages.query_strategy.kmeans import KMeansDiversity, round_robin
from querist.stages.query_strategy.random import Random
from querist.stages.query_strategy.uncertainty import Uncertainty
from querist.testing.strategies import CHECKS, check_strategy, check_ties_are_broken_by_the_generator, make_pool

STRATEGIES = available("strategies")


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("check", [*CHECKS, check_ties_are_broken_by_the_generator], ids=lambda c: c.__name__)
@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_keeps_the_contract(name, check):
    check(lambda: make(name)[0])


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=25)
@given(data=st.data())
def test_every_answer_is_a_batch_of_distinct_items(name, data):
    n_items = data.draw(st.integers(1, 25))
    batch_size = data.draw(st.integers(1, n_items))
    scores = data.draw(st.lists(st.sampled_from([0.0, 0.3, 1.0]), min_size=n_items, max_size=n_items))
    places = data.draw(st.lists(st.integers(0, 3), min_size=n_items, max_size=n_items))
    points = np.outer(places, [1, 0, 0, 0]).astype(np.float32)
    budget = data.draw(st.none() | st.integers(batch_size, 100))
    pool = make_pool(n_items, scores=np.array(scores), embed=lambda i: points[i], budget_left=budget)
    chosen = ask(make(name)[0], pool, batch_size, rng(data.draw(st.integers(0, 5))))
    assert len(set(chosen.indices.tolist())) == batch_size
    assert set(chosen.indices.tolist()) <= set(range(n_items))
    if name in ("random", "uncertainty", "kmeans"):  # others may answer with what they ranked by
        assert chosen.scores.tolist() == [scores[i] for i in chosen.indices]


class Careless:
    needs = frozenset()

    def __init__(self, indices):
        self.indices = indices

    def __call__(self, pool, batch_size, rng):
        return Selection(np.array(self.indices), np.zeros(len(self.indices)))


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([0, 0], "more than once"),
        ([0], "1 items, asked were 2"),
        ([0, 5], "item 5, outside the pool 0..4"),
        ([0, -1], "item -1, outside"),
        ([0.0, 1.0], "type float64"),
    ],
)
def test_a_broken_answer_is_refused_with_the_strategy_s_name(indices, message):
    with pytest.raises(StrategyError, match=f"'Careless'.*{message}"):
        ask(Careless(indices), make_pool(5), 2, rng())


def test_an_answer_that_is_no_selection_is_refused():
    def bare(pool, batch_size, rng):
        return np.arange(batch_size)

    bare.needs = frozenset()
    with pytest.raises(StrategyError, match="'bare' answered ndarray"):
        ask(bare, make_pool(5), 2, rng())


def test_the_contract_finds_a_careless_strategy():
    with pytest.raises(AssertionError, match="a batch of 1 from a pool of 40"):
        check_strategy(lambda: Careless([0, 0]))


def test_the_contract_finds_ties_broken_by_position():
    class Stubborn(Uncertainty):
        def __call__(self, pool, batch_size, rng):
            indices = np.argsort(-pool.scores, kind="stable")[:batch_size]
            return Selection(indices, pool.scores[indices])

    check_strategy(Stubborn, deterministic_ties=True)
    with pytest.raises(AssertionError, match="same order"):
        check_strategy(Stubborn)


def test_a_pool_without_what_the_strategy_needs_is_refused():
    with pytest.raises(StrategyError, match="'KMeansDiversity' needs embeddings"):
        ask(KMeansDiversity(), Pool(3, scores=np.zeros(3)), 1, rng())


def test_a_batch_of_nothing_is_refused():
    with pytest.raises(SettingError, match="at least 1"):
        ask(Random(), Pool(3), 0, rng())


def test_a_batch_larger_than_the_pool_is_refused():
    with pytest.raises(PoolExhausted, match="asked for 4 items but the pool holds 3"):
        ask(Random(), Pool(3), 4, rng())


def test_embeddings_are_checked_when_they_are_asked_for():
    pool = make_pool(6, embed=lambda i: np.zeros((len(i) + 1, 2), dtype=np.float32))
    with pytest.raises(ShapeError, match="embeddings are given for 7 items, expected 6"):
        ask(KMeansDiversity(), pool, 3, rng())


def test_uncertainty_takes_the_highest_scores_and_says_down_to_where():
    chosen = ask(Uncertainty(), Pool(4, scores=np.array([0.1, 0.9, 0.5, 0.7])), 2, rng())
    assert chosen.indices.tolist() == [1, 3]
    assert chosen.thresholds == {"score": 0.7}
    assert "down to 0.7" in chosen.note


def test_random_draws_every_item_equally_often():
    counts = np.bincount(np.concatenate([ask(Random(), Pool(5), 2, rng(s)).indices for s in range(1000)]))
    assert counts == pytest.approx([400] * 5, abs=60)


# candidates


def test_effective_number_of_equal_scores_is_their_count():
    assert effective_number(np.full(7, 0.2)) == pytest.approx(7)


def test_effective_number_of_one_unsure_item_is_one():
    assert effective_number(np.array([0.0, 0.0, 0.8])) == pytest.approx(1)


def test_effective_number_of_no_uncertainty_at_all_is_the_pool():
    assert effective_number(np.zeros(4)) == 4


def test_effective_number_of_two_to_one_by_hand():
    assert effective_number(np.array([2.0, 1.0])) == pytest.approx(9 / 5)


def candidates(n_items=1000, batch_size=10, budget_left=None, scores=None, count=None):
    scores = np.linspace(0.5, 1, n_items) if scores is None else scores
    return choose_candidates(Pool(n_items, scores=scores, budget_left=budget_left), batch_size, rng(), count=count)


def test_candidates_are_what_the_budget_can_still_ask():
    chosen = candidates(budget_left=50)
    assert chosen.indices.tolist() == list(range(950, 1000))
    assert chosen.thresholds["candidates"] == 50
    assert chosen.thresholds["score"] == pytest.approx(np.linspace(0.5, 1, 1000)[950])
    assert "budget left" in chosen.note


def test_rounds_narrow_as_the_budget_runs_out():
    counts = [len(candidates(budget_left=left).indices) for left in (10**6, 100, 50, 30, 10)]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 20  # two for each query, so that the last round still has a choice


def test_candidates_without_a_budget_follow_the_scores():
    few_unsure = np.r_[np.full(60, 1.0), np.full(940, 1e-6)]
    assert len(candidates(scores=few_unsure).indices) == pytest.approx(60, abs=1)


def test_candidates_of_a_huge_pool_stay_as_many_as_clustering_can_afford():
    assert len(candidates(n_items=100_000).indices) == 200
    assert "clustering cost" in candidates(n_items=100_000).note


def test_candidates_are_the_whole_pool_when_it_is_small():
    assert len(candidates(n_items=12).indices) == 12


def test_a_number_in_the_settings_overrides_and_never_starves_the_batch():
    assert len(candidates(count=77).indices) == 77
    assert len(candidates(count=3).indices) == 10


# k-means


def test_kmeans_asks_one_item_of_each_of_two_heaps():
    points = np.r_[np.zeros((10, 2)), np.full((10, 2), 9.0)].astype(np.float32)
    scores = np.r_[np.linspace(0.9, 1.0, 10), np.linspace(0.1, 0.2, 10)]
    pool = Pool(20, scores=scores, embed=lambda i: points[i], budget_left=20)
    assert ask(KMeansDiversity(), pool, 2, rng()).indices.tolist() == [9, 19]
    assert ask(Uncertainty(), pool, 2, rng()).indices.tolist() == [9, 8]


def test_the_nearer_half_comes_first_and_the_higher_score_within_it():
    scores = np.array([0.1, 0.2, 0.8, 0.9])
    cluster, distance = np.zeros(4, dtype=int), np.array([0.0, 1.0, 2.0, 3.0])
    assert round_robin(scores, cluster, distance, 4, rng()).tolist() == [1, 0, 3, 2]


def test_clusters_take_turns_the_more_uncertain_first():
    scores = np.array([0.1, 0.2, 0.9, 0.8, 0.3])
    cluster, distance = np.array([0, 0, 1, 1, 2]), np.zeros(5)
    assert round_robin(scores, cluster, distance, 5, rng()).tolist() == [2, 4, 1, 3, 0]


def test_more_clusters_than_candidates_are_cut_down():
    chosen = ask(KMeansDiversity(clusters=500), make_pool(30), 4, rng())
    assert chosen.thresholds["clusters"] == chosen.thresholds["candidates"] < 30


def test_few_clusters_still_fill_the_batch():
    assert len(ask(KMeansDiversity(clusters=2), make_pool(30), 12, rng()).indices) == 12


def test_only_candidates_are_embedded():
    asked = []
    points = np.random.default_rng(0).normal(size=(5000, 3)).astype(np.float32)

    def embed(indices):
        asked.append(len(indices))
        return points[indices]

    pool = Pool(5000, scores=np.linspace(0, 1, 5000), embed=embed, budget_left=60)
    ask(KMeansDiversity(), pool, 10, rng())
    assert asked == [60]


@pytest.mark.parametrize("setting", [{"clusters": 0}, {"candidates": 0}, {"candidates": "many"}])
def test_settings_that_cannot_work_are_refused(setting):
    with pytest.raises(SettingError, match=str(next(iter(setting.values())))):
        KMeansDiversity(**setting)


# make


def test_a_name_makes_the_strategy_and_keeps_the_measures():
    strategy, measures = make("kmeans", {"clusters": 5}, {"entropy": 0.5, "margin": 0.5})
    assert isinstance(strategy, KMeansDiversity)
    assert strategy.clusters == 5
    assert measures == {"entropy": 0.5, "margin": 0.5}


def test_a_measure_behind_a_colon_replaces_the_measures():
    strategy, measures = make("kmeans:entropy", {}, {"margin": 1.0})
    assert isinstance(strategy, KMeansDiversity)
    assert measures == {"entropy": 1.0}


def test_a_measure_alone_means_its_highest_scores():
    strategy, measures = make("entropy", {}, {"margin": 1.0})
    assert isinstance(strategy, Uncertainty)
    assert measures == {"entropy": 1.0}


def test_an_import_path_makes_the_strategy():
    assert isinstance(make("querist.stages.query_strategy.random:Random", {}, {})[0], Random)


def test_a_strategy_object_is_taken_as_it_is():
    strategy = Random()
    assert make(strategy)[0] is strategy
    with pytest.raises(SettingError, match="takes no settings"):
        make(strategy, {"a": 1})


def test_an_unknown_setting_is_refused_with_the_known_ones():
    with pytest.raises(UnknownName, match=r"Did you mean 'clusters'.*candidates, clusters"):
        make("kmeans", {"cluster": 5})
    with pytest.raises(UnknownName, match="unknown setting"):
        make("random", {"cluster": 5})


def test_a_missing_setting_is_named():
    with pytest.raises(SettingError, match=r"needs the settings \['indices'\]"):
        make(Careless)


@pytest.mark.parametrize("spec", ["kmeens", "kmeans:entropie", "entropy:margin", "nothing.here:at_all"])
def test_an_unknown_spec_is_refused(spec):
    with pytest.raises(SettingError):
        make(spec)


def test_what_is_no_strategy_is_refused():
    with pytest.raises(StrategyError, match="is no strategy"):
        make("querist.core.types:Pool", {"n_items": 3})


def test_the_same_seed_gives_the_same_items_in_another_process():
    code = (
        "import numpy as np; from querist.stages.query_strategy.ask import *; from querist.testing.strategies import *;"
        "print(ask(make('kmeans')[0], make_pool(400), 20, np.random.default_rng(3)).indices.tolist())"
    )
    answers = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout for _ in range(2)}
    here = ask(make("kmeans")[0], make_pool(400), 20, rng(3)).indices.tolist()
    assert answers == {f"{here}\n"}


def test_a_pool_may_be_replaced_in_part():
    assert replace(make_pool(3), budget_left=None).budget_left is None
