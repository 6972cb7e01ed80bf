"""QUIRE and hierarchical sampling against slow, obviously right code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.core.errors import SettingError, StrategyError
from querist.core.memory import Memory
from querist.core.types import Pool
from querist.stages.query_strategy import hierarchical
from querist.stages.query_strategy.ask import ask
from querist.stages.query_strategy.hierarchical import Hierarchical, doubts, draw_leaves, prune, ward
from querist.stages.query_strategy.quire import LEAST_RIDGE, Quire, auto_gamma, corners, quire
from querist.testing.strategies import make_pool


def rng(seed=0):
    return np.random.default_rng(seed)


# QUIRE


def kernel(points, gamma):
    return np.exp(-gamma * ((points[:, None] - points[None]) ** 2).sum(axis=2))


def worst_objectives(points, labeled, codes, n_classes, gamma, ridge):
    """By the paper: invert the kernel of all items, try each class, minimise over the labels of the rest."""
    n_labeled = len(labeled)
    everything = np.concatenate([labeled, points]).astype(float)
    L = np.linalg.inv(kernel(everything, gamma) + ridge * np.eye(len(everything)))
    found = []
    for item in range(n_labeled, len(everything)):
        fixed = [*range(n_labeled), item]
        rest = [i for i in range(len(everything)) if i not in fixed]
        values = []
        for c in range(n_classes):
            Y = corners(n_classes)[[*codes, c]]
            value = np.trace(Y.T @ L[np.ix_(fixed, fixed)] @ Y)
            if rest:
                pull = L[np.ix_(rest, fixed)] @ Y
                free = -np.linalg.solve(L[np.ix_(rest, rest)], pull)
                value += np.trace(2 * pull.T @ free + free.T @ L[np.ix_(rest, rest)] @ free)
            values.append(value)
        found.append(max(values))
    return np.array(found)


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 9), n_labeled=st.integers(0, 6), n_classes=st.integers(2, 4))
def test_the_closed_form_is_the_papers_objective(seed, n, n_labeled, n_classes):
    generator = rng(seed)
    points, labeled = generator.normal(size=(n, 2)), generator.normal(size=(n_labeled, 2))
    codes = generator.integers(n_classes, size=n_labeled)
    expected = worst_objectives(points, labeled, codes, n_classes, 0.7, 0.5)
    picked, worst = quire(points, labeled, codes, n_classes, 1, rng(), gamma=0.7, ridge=0.5)
    assert worst[0] == pytest.approx(expected.min())
    assert expected[picked[0]] == pytest.approx(expected.min())


def test_a_batch_is_the_one_by_one_choice_with_predicted_labels():
    generator = rng(5)
    points, labeled, codes = generator.normal(size=(12, 3)), generator.normal(size=(4, 3)), np.array([0, 1, 2, 0])
    picked, worst = quire(points, labeled, codes, 3, 6, rng(), gamma=0.4, ridge=1.0)
    open_ = list(range(12))
    for item, value in zip(picked, worst, strict=True):
        expected = worst_objectives(points[open_], labeled, codes, 3, 0.4, 1.0)
        assert item == open_[int(expected.argmin())]
        assert value == pytest.approx(expected.min())
        near = np.exp(-0.4 * ((labeled - points[item]) ** 2).sum(axis=1))
        weights = np.linalg.solve(kernel(labeled, 0.4) + np.eye(len(labeled)), near)
        means = weights @ corners(3)[codes]
        labeled, codes = np.vstack([labeled, points[item]]), np.r_[codes, int(np.argmax(means))]
        open_.remove(item)


def test_of_two_classes_quire_asks_what_scikit_activeml_asks():
    pool_module = pytest.importorskip("skactiveml.pool", reason="scikit-activeml is not installed")
    generator = rng(2)
    X = generator.normal(size=(25, 3))
    y = np.full(25, np.nan)
    y[:6] = [0, 1, 1, 0, 1, 0]
    theirs = pool_module.Quire(classes=[0, 1], metric="rbf", metric_dict={"gamma": 0.3}, lmbda=1.0, random_state=0)
    index, utilities = theirs.query(X, y, return_utilities=True)
    picked, worst = quire(X[6:], X[:6], y[:6].astype(int), 2, 1, rng(), gamma=0.3, ridge=1.0)
    assert picked[0] + 6 == index[0]
    assert worst[0] == pytest.approx(-np.nanmax(utilities))


def test_corners_are_as_far_from_each_other_and_two_of_them_opposite():
    np.testing.assert_allclose(np.linalg.norm(corners(5), axis=1), 1)
    np.testing.assert_allclose((corners(5) @ corners(5).T)[~np.eye(5, dtype=bool)], -0.25)
    np.testing.assert_allclose(corners(2)[0], -corners(2)[1])


def test_of_several_classes_no_one_is_asked_for_alone():
    """Even groups, one of them labeled twice: a batch looks into nearly all, not again and again into one."""
    generator, n_classes = rng(1), 8
    group = np.repeat(np.arange(n_classes), 30)
    points = 3 * np.eye(n_classes)[group] + generator.normal(size=(len(group), n_classes))
    labeled = np.r_[0, np.arange(n_classes) * 30]
    batch = quire(points, points[labeled], group[labeled], n_classes, 24, rng(), gamma=auto_gamma(points), ridge=1.0)[0]
    asked = np.bincount(group[batch], minlength=n_classes)
    assert asked.max() <= 6
    assert (asked > 0).sum() >= n_classes - 1


def test_twins_of_a_labeled_item_come_last():
    labeled = np.array([[0.0, 0.0], [5.0, 5.0]])
    points = np.array([[0.0, 0.0], [2.5, 2.5], [5.0, 5.0]])
    assert quire(points, labeled, np.array([0, 1]), 2, 3, rng(), gamma=1.0, ridge=0.1)[0][0] == 1


def test_copies_among_the_labels_are_no_trouble_with_the_least_ridge():
    labeled = np.repeat(np.array([[0.0, 0.0], [5.0, 5.0]]), 500, axis=0)
    points = np.array([[0.0, 0.0], [2.5, 2.5], [5.0, 5.0]])
    codes = np.repeat([0, 1], 500)
    assert quire(points, labeled, codes, 2, 3, rng(), gamma=1.0, ridge=LEAST_RIDGE)[0][0] == 1


def test_equal_items_come_in_any_order():
    first = {
        quire(np.zeros((6, 2)), np.ones((1, 2)), np.array([0]), 2, 1, rng(s), gamma=1.0, ridge=1.0)[0][0]
        for s in range(40)
    }
    assert first == set(range(6))


def test_gamma_is_one_over_the_variance_and_one_where_there_is_none():
    assert auto_gamma(np.array([[0.0], [2.0]], dtype=np.float32)) == 1.0
    assert auto_gamma(np.array([[0.0, 0.0], [4.0, 0.0]], dtype=np.float32)) == 0.25
    assert auto_gamma(np.zeros((3, 2), dtype=np.float32)) == 1.0


def test_quire_without_a_single_label_spreads_over_the_pool():
    points = np.repeat(np.array([[0.0], [9.0], [18.0]]), 4, axis=0).astype(np.float32)
    pool = Pool(12, embed=lambda at: points[at], labeled_embeddings=points[:0], labeled_codes=np.empty(0, dtype=int))
    assert set((ask(Quire(gamma=1.0), pool, 3, rng()).indices // 4).tolist()) == {0, 1, 2}


@pytest.mark.parametrize("setting", [{"gamma": 0}, {"gamma": "much"}, {"ridge": 0.0}, {"ridge": 1e-9}])
def test_settings_of_quire_that_cannot_work_are_refused(setting):
    with pytest.raises(SettingError, match=str(next(iter(setting.values())))):
        Quire(**setting)


@pytest.mark.parametrize("strategy", [Quire(), Hierarchical()])
def test_a_pool_too_large_for_the_memory_is_refused_before_the_start(strategy):
    touched = []

    def embed(at):
        touched.append(at)
        return np.zeros((1, 4), dtype=np.float32)

    with pytest.raises(StrategyError, match="GiB"):
        ask(strategy, make_pool(1_000_000, memory_bytes=10**8, embed=embed), 100, rng())
    assert touched == [slice(0, 1)]


def test_labeled_items_count_for_the_memory_too():
    pool = make_pool(
        20,
        memory_bytes=20_000,
        labeled_embeddings=np.zeros((500, 4), dtype=np.float32),
        labeled_codes=np.zeros(500, dtype=int),
    )
    with pytest.raises(StrategyError, match="'quire' needs"):
        ask(Quire(), pool, 2, rng())


# hierarchical


def leaves_under(node, merges, n):
    if node < n:
        return [node]
    a, b = merges[node - n]
    return leaves_under(a, merges, n) + leaves_under(b, merges, n)


def best_pruning(node, merges, n, codes, n_classes):
    """(cost, nodes) as the paper says it, by recursion over the tree."""
    leaves = leaves_under(node, merges, n)
    size, known = len(leaves), [codes[i] for i in leaves if codes[i] >= 0]
    cost, some = float(size), False
    if known:
        bounds = []
        for c in range(n_classes):
            count, total = known.count(c), len(known)
            share, unseen = count / total, 1 - total / size
            width = unseen / total + np.sqrt(unseen * share * (1 - share) / total)
            bounds.append((max(count, (share - width) * size), min(size - (total - count), (share + width) * size)))
        admissible = [
            c
            for c in range(n_classes)
            if known.count(c) and all(bounds[c][0] > 2 * bounds[o][1] - size for o in range(n_classes) if o != c)
        ]
        if admissible:
            some = True
            cost = size - bounds[max(admissible, key=lambda c: (known.count(c), -c))][0]
    if node < n:
        return cost, [node]
    a, b = (best_pruning(child, merges, n, codes, n_classes) for child in merges[node - n])
    return (a[0] + b[0], a[1] + b[1]) if some and a[0] + b[0] < cost else (cost, [node])


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 20), n_classes=st.integers(1, 3), known=st.floats(0, 1))
def test_the_parts_are_those_of_the_paper(seed, n, n_classes, known):
    generator = rng(seed)
    points = generator.normal(size=(n, 2)).astype(np.float32)
    codes = np.where(generator.random(n) < known, generator.integers(n_classes, size=n), -1)
    merges = ward(points)
    pruning = prune(merges, codes, n_classes)
    _, nodes = best_pruning(2 * n - 2, merges.tolist(), n, codes.tolist(), n_classes)
    assert sorted(pruning.node.tolist()) == sorted(nodes)
    for part, node in enumerate(pruning.node.tolist()):
        assert np.flatnonzero(pruning.part_of == part).tolist() == sorted(leaves_under(node, merges.tolist(), n))


def test_without_labels_there_is_one_part_and_every_item_has_the_same_chance():
    points = rng().normal(size=(5, 2)).astype(np.float32)
    pruning = prune(ward(points), np.full(5, -1), 2)
    assert pruning.node.tolist() == [8]
    drawn = np.concatenate([draw_leaves(pruning, np.ones(5, dtype=bool), 2, rng(s)) for s in range(1000)])
    assert np.bincount(drawn) == pytest.approx([400] * 5, abs=60)


def test_two_pure_heaps_are_told_apart_and_the_one_with_fewer_labels_is_asked_more():
    generator = rng(1)
    heaps = np.r_[generator.normal(0, 0.1, (40, 2)), generator.normal(9, 0.1, (40, 2))].astype(np.float32)
    codes = np.full(80, -1)
    codes[:12] = 0
    codes[40:43] = 1
    pruning = prune(ward(heaps), codes, 2)
    assert len(set(pruning.part_of[:40].tolist())) == 1
    assert not set(pruning.part_of[:40].tolist()) & set(pruning.part_of[40:].tolist())
    drawn = np.concatenate([draw_leaves(pruning, codes < 0, 4, rng(s)) for s in range(100)])
    assert (drawn >= 40).mean() > 0.7
    assert pruning.doubt[pruning.part_of[0]] == pytest.approx(40 * 0.7 / 12)  # none of 12 in 40 is of another class


def test_a_part_is_drawn_in_proportion_to_its_doubt():
    generator = rng(1)
    heaps = np.r_[generator.normal(0, 0.1, (30, 2)), generator.normal(9, 0.1, (30, 2))].astype(np.float32)
    codes = np.full(60, -1)
    codes[:20], codes[30:36] = 0, 1
    pruning = prune(ward(heaps), codes, 2)
    drawn = np.concatenate([draw_leaves(pruning, codes < 0, 1, rng(s)) for s in range(2000)])
    share = np.bincount(pruning.part_of[drawn], minlength=len(pruning.node)) / 2000
    assert share == pytest.approx(pruning.doubt / pruning.doubt.sum(), abs=0.04)


def test_bounds_by_hand():
    # 4 of 10 seen, all of class 0: width (1 - 0.4) / 4 = 0.15, so at least 8.5 of 10 are of class 0
    doubt, admissible = doubts(np.array([[4, 0], [0, 0]]), np.array([10, 6]))
    assert doubt == pytest.approx([1.5, 6])
    assert admissible.tolist() == [True, False]


def test_the_tree_is_kept_and_made_anew_when_items_are_gone(monkeypatch):
    made = []
    monkeypatch.setattr(hierarchical, "ward", lambda points: made.append(len(points)) or ward(points))
    pool, memory = make_pool(20), Memory()
    for _ in range(2):
        ask(Hierarchical(), replace(pool, memory=memory), 3, rng())
    assert made == [29]
    smaller = make_pool(19)
    ask(Hierarchical(), replace(smaller, memory=memory, labeled_ids=np.arange(50, 59)), 3, rng())
    assert made == [29, 28]


def test_merges_name_each_node_once():
    merges = ward(rng().normal(size=(9, 2)).astype(np.float32))
    assert sorted(merges.ravel().tolist()) == list(range(16))
