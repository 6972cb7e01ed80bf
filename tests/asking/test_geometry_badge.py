from __future__ import annotations

import tracemalloc
from itertools import permutations

import numpy as np
import pytest
from scipy.stats import chisquare

import querist
from querist.models.neighbours import of
from querist.stages.query_strategy.badge import _squared_lengths, offsets, spread_gradients


def rng(seed=0):
    return np.random.default_rng(seed)


def gradients(points, proba):
    off = proba - np.eye(proba.shape[1])[proba.argmax(axis=1)]
    return (off[:, :, None] * points[:, None]).reshape(len(points), -1)


def softmax(logits):
    odds = np.exp(logits)
    return odds / odds.sum(axis=1, keepdims=True)


def chances(points, proba, k):
    """Of each ordered batch, by k-means++ on the gradients themselves, the longest first."""
    g = gradients(points.astype(float), proba)
    first = int((g**2).sum(axis=1).argmax())
    found = {}
    for rest in permutations(np.setdiff1d(np.arange(len(g)), first).tolist(), k - 1):
        batch, chance = [first], 1.0
        for i in rest:
            near = ((g[:, None] - g[batch]) ** 2).sum(axis=2).min(axis=1)
            chance *= near[i] / near.sum()
            batch.append(i)
        found[tuple(batch)] = chance
    return found


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("draws", [2, 16])
def test_batches_come_as_often_as_with_the_plain_form(n_classes, draws):
    points = rng(1).normal(size=(5, 2)).astype(np.float32)
    proba = softmax(rng(2).normal(size=(5, n_classes)))
    expected = chances(points, proba, 4)
    times = 2000
    counts = dict.fromkeys(expected, 0)
    for seed in range(times):
        picked, _ = spread_gradients(of(points), proba, 4, rng(seed), draws=draws)
        counts[tuple(picked.tolist())] += 1
    often = [batch for batch in expected if expected[batch] * times >= 5]
    seen = [counts[batch] for batch in often]
    rare = times - sum(seen)
    wanted = [expected[batch] * times for batch in often]
    assert chisquare([*seen, rare], [*wanted, times - sum(wanted)]).pvalue > 0.001


def test_an_unsure_item_has_the_longer_gradient():
    """Another library never subtracts the label, so that confident items seem to have the largest gradients."""
    proba = np.array([[0.98, 0.01, 0.01], [1 / 3, 1 / 3, 1 / 3]])
    sure, unsure = _squared_lengths(of(np.ones((2, 1), dtype=np.float32)), proba)
    assert np.sqrt([sure, unsure]) == pytest.approx([0.0245, 0.8165], abs=1e-3)


def test_two_classes_have_gradients_of_their_own():
    proba = np.array([[0.9, 0.1], [0.4, 0.6]])
    assert offsets(proba) == pytest.approx(np.array([[-0.1, 0.1], [0.4, -0.4]]))


def test_the_first_pick_has_the_longest_gradient():
    points = np.array([[1.0], [3], [1]], dtype=np.float32)
    picked = querist.select("badge", 1, proba=[[0.6, 0.4], [0.6, 0.4], [0.9, 0.1]], embeddings=points, rng=0)
    assert picked.tolist() == [1]


def test_all_certain_items_have_one_gradient_and_count_once():
    """A gradient of 0 lies apart from the others, but all of them lie in one place."""
    proba = np.array([[1.0, 0], [0.5, 0.5], [0, 1.0], [0.6, 0.4]])
    for seed in range(20):
        picked, n_apart = spread_gradients(of(np.eye(4, dtype=np.float32)), proba, 4, rng(seed))
        assert picked[0] == 1
        assert n_apart == 3
        assert set(picked[:3].tolist()) in ({0, 1, 3}, {1, 2, 3})


@pytest.mark.parametrize("n_classes", [1, 3])
def test_gradients_of_zero_are_drawn_evenly(n_classes):
    proba = np.eye(n_classes)[np.zeros(6, dtype=int)]
    counts = np.zeros(6)
    for seed in range(600):
        picked, n_apart = spread_gradients(of(np.ones((6, 2), dtype=np.float32)), proba, 2, rng(seed))
        assert n_apart == 1
        counts[picked] += 1
    assert counts == pytest.approx(np.full(6, 200), abs=45)


def test_one_twin_of_each_before_any_other():
    points = np.repeat(np.eye(3, dtype=np.float32), 50, axis=0)
    proba = np.full((150, 2), 0.5)
    for seed in range(20):
        picked, n_apart = spread_gradients(of(points), proba, 10, rng(seed))
        assert sorted(picked[:3] // 50) == [0, 1, 2]
        assert n_apart == 3
        assert len(set(picked.tolist())) == 10


def test_gradients_are_never_formed():
    """25 GB at 20,000 items and 100 classes in another library; here it would be 102 MB."""
    points = rng(0).normal(size=(2000, 128)).astype(np.float32)
    proba = softmax(rng(1).normal(size=(2000, 100)))
    spread_gradients(of(points), proba, 4, rng())
    tracemalloc.start()
    spread_gradients(of(points), proba, 50, rng())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8e6
