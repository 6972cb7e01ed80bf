"""A bandit over strategies (ALBL)."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

import querist
from querist.core.errors import SettingError
from querist.core.memory import Memory
from querist.stages.query_strategy.ask import ask, make
from querist.stages.query_strategy.bandit import (
    Bandit,
    Standing,
    advice,
    asking_chances,
    draw_chances,
    least_chance,
    update,
    weighted_accuracy,
)
from querist.testing.strategies import later, make_pool


def rng(seed=0):
    return np.random.default_rng(seed)


def test_every_strategy_keeps_a_least_chance():
    least = least_chance(4, 20)
    assert least == pytest.approx(np.sqrt(np.log(4) / 80))
    assert draw_chances(np.array([1.0, 1e-30, 1e-30, 1e-30]), 20).min() == pytest.approx(least)
    assert draw_chances(np.ones(4), 20).tolist() == [0.25] * 4
    assert draw_chances(np.ones(1), 20).tolist() == [1.0]


def test_chances_of_items_by_hand():
    batches = [np.array([0, 1]), np.array([1, 2]), np.array([3, 4])]
    even = np.array([False, False, True])
    chance = asking_chances(batches, even, np.array([0.5, 0.3, 0.2]), 5)
    assert chance == pytest.approx([0.58, 0.88, 0.38, 0.08, 0.08])  # 0.2 * 2 / 5 = 0.08 for everybody
    assert chance.sum() == pytest.approx(2)


def test_the_chances_are_how_often_items_are_asked():
    pool, strategy = make_pool(12), Bandit(of=["uncertainty", "random"])
    asked = np.zeros(12)
    for seed in range(2000):
        memory = Memory()
        chosen = ask(strategy, replace(pool, memory=memory), 3, rng(seed)).indices
        asked[chosen] += 1
    best = ask(make("uncertainty")[0], pool, 3, rng()).indices
    expected = np.full(12, 0.5 * 3 / 12)
    expected[best] += 0.5
    assert asked / 2000 == pytest.approx(expected, abs=0.03)
    told = memory.recall("bandit", strategy._key(pool))["chance"]
    assert told == pytest.approx(expected[chosen])


def test_credit_goes_to_who_advised_and_is_one_on_average():
    batches, even = [np.array([0, 1]), np.array([1, 2]), np.array([4, 5])], np.array([False, False, True])
    chances = np.array([0.5, 0.2, 0.3])
    chance = asking_chances(batches, even, chances, 6)

    def credit(*asked):
        return advice(batches, even, chance, np.array(asked))[0]

    assert credit(2, 3)[0] == 0
    assert credit(0, 1)[0] == pytest.approx((1 / 0.6 + 1 / 0.8) / 2)
    assert credit(0, 1)[2] == pytest.approx((1 / 3 / 0.6 + 1 / 3 / 0.8) / 2)
    by_chance = np.mean([credit(*pair) for pair in combinations(range(6), 2)], axis=0)
    assert chances @ [credit(0, 1), credit(1, 2), by_chance] == pytest.approx([1, 1, 1])


def test_weights_follow_the_reward_of_what_was_drawn():
    standing = Standing(np.ones(2), np.array([2.0, 0.0]), np.array([2.0, 2.0]), np.array([7]), np.array([0.5]))
    weights = update(standing, 0.8, 20, 0.1)
    assert weights[0] == 1
    assert weights[1] == pytest.approx(np.exp(-least_chance(2, 20) / 2 * 0.8 * 2))


def test_accuracy_weighs_each_item_by_how_unlikely_it_was_asked():
    assert weighted_accuracy(np.array([True, False]), np.array([0.1, 0.4])) == pytest.approx(10 / 12.5)


def test_the_weighted_accuracy_is_that_of_the_pool_on_average():
    generator = rng(1)
    right, chance = generator.random(200) < 0.7, generator.uniform(0.2, 0.9, 200)
    found = []
    for _ in range(800):
        asked = generator.random(200) < chance
        found.append(weighted_accuracy(right[asked], chance[asked]))
    assert np.mean(found) == pytest.approx(right.mean(), abs=0.01)


def test_a_second_round_learns_from_the_labels_of_the_first():
    pool, memory, strategy = make_pool(60), Memory(), Bandit()
    first = ask(strategy, replace(pool, memory=memory), 6, rng())
    assert first.thresholds["chance.kmeans"] == pytest.approx(1 / 3)
    assert "no reward yet" in first.note
    second = ask(strategy, replace(later(pool, first.indices), memory=memory), 6, rng(1))
    assert second.thresholds["reward"] == 1  # later() labels items as the model reads them
    drawn = first.note.split(" (")[0].removeprefix("Drawn was ")
    chances = {name: second.thresholds[f"chance.{name}"] for name in ("uncertainty", "kmeans", "random")}
    assert max(chances, key=lambda name: chances[name]) == drawn
    assert sum(chances.values()) == pytest.approx(1)


def test_select_learns_from_round_to_round_through_its_memory():
    generator, memory = rng(2), Memory()
    points = generator.normal(size=(60, 4)).astype(np.float32)
    proba = generator.dirichlet(np.ones(3), 60)
    labels = np.full(60, -1)
    labels[:6] = np.arange(6) % 3

    def once(seed):
        return querist.select("bandit", 5, proba=proba, embeddings=points, labels=labels, memory=memory, rng=seed)

    first = once(0)
    labels[first] = proba[first].argmax(axis=1)
    second = once(1)
    kept = memory.arrays()
    assert kept["bandit/asked"].tolist() == [*first, *second]
    assert kept["bandit/weights"].min() < 1


def test_rounds_whose_items_were_all_skipped_teach_nothing():
    pool, memory, strategy = make_pool(60), Memory(), Bandit()
    ask(strategy, replace(pool, memory=memory), 6, rng())
    again = ask(strategy, replace(pool, memory=memory), 6, rng(1))
    assert "no reward yet" in again.note
    assert again.thresholds["chance.random"] == pytest.approx(1 / 3)


def test_the_same_memory_and_seed_ask_the_same():
    pool, memory, strategy = make_pool(60), Memory(), Bandit()
    first = ask(strategy, replace(pool, memory=memory), 6, rng())
    kept = memory.arrays()
    answers = [
        ask(strategy, replace(later(pool, first.indices), memory=Memory(kept)), 6, rng(4)).indices.tolist()
        for _ in range(2)
    ]
    assert answers[0] == answers[1]


def test_other_settings_start_anew():
    pool, memory = make_pool(60), Memory()
    first = ask(Bandit(), replace(pool, memory=memory), 6, rng())
    other = ask(Bandit(rounds=9), replace(later(pool, first.indices), memory=memory), 6, rng(1))
    assert other.thresholds["chance.random"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("setting", [{"of": []}, {"rounds": 0}, {"delta": 0.0}, {"of": ["nobody"]}])
def test_bandits_that_cannot_be_are_refused(setting):
    with pytest.raises(SettingError):
        Bandit(**setting)
