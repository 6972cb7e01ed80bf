from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import querist
from querist.core.errors import SettingError, ShapeError
from querist.core.memory import Memory
from querist.core.types import Pool
from querist.models.neighbours import count_within, nearest_few, nearest_point, nearest_squared, of
from querist.stages.query_strategy import distances
from querist.stages.query_strategy.ask import ask
from querist.stages.query_strategy.core_set import CoreSet
from querist.stages.query_strategy.distances import nearest_labeled
from querist.stages.query_strategy.farthest import Worth, farthest_first, grain_of
from querist.stages.query_strategy.ranked_batch import RankedBatch


def rng(seed=0):
    return np.random.default_rng(seed)


def points_of(seed, n_items, n_dims=5):
    return rng(seed).normal(size=(n_items, n_dims)).astype(np.float32)


def squared_distances(a, b):
    return ((a[:, None].astype(float) - b[None].astype(float)) ** 2).sum(axis=2)


def pool_of(points, labeled, scores=None, **changes):
    scores = np.zeros(len(points)) if scores is None else scores
    return Pool(len(points), scores=scores, embed=lambda at: points[at], labeled_embeddings=labeled, **changes)


def plain_core_set(points, labeled, k, left_out=0):
    """One pass over the pool for each pick."""
    picked = []
    for _ in range(k):
        near = squared_distances(points, np.concatenate([labeled, points[picked]])).min(axis=1)
        near[picked] = -1
        order = sorted(range(len(points)), key=lambda i: -near[i])
        picked.append(order[min(left_out, len(points) - len(picked) - 1)])
    return picked


# distances


@pytest.mark.parametrize(("n_items", "n_points"), [(1, 1), (7, 3), (1100, 30), (600, 1300)])
def test_distances_are_those_of_the_definition(n_items, n_points):
    points, to = points_of(0, n_items), points_of(1, n_points)
    expected = squared_distances(points, to)
    assert nearest_squared(of(points), n_items, to) == pytest.approx(expected.min(axis=1), abs=1e-4)
    which, near = nearest_point(of(points), n_items, to)
    assert which.tolist() == expected.argmin(axis=1).tolist()
    assert near == pytest.approx(expected.min(axis=1), abs=1e-4)
    few, _ = nearest_few(of(points), n_items, to, min(3, n_points))
    assert np.sort(few, axis=1).tolist() == np.sort(np.argsort(expected, axis=1)[:, :3], axis=1).tolist()
    assert count_within(of(points), n_items, to, 4.0).tolist() == (expected <= 4).sum(axis=1).tolist()


def test_distances_far_from_the_origin_keep_their_digits():
    points = points_of(0, 50) + 10_000
    expected = squared_distances(points[:40], points[40:]).min(axis=1)
    assert nearest_squared(of(points[:40]), 40, points[40:]) == pytest.approx(expected, rel=1e-2)


# core-set


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), cache=st.integers(1, 40), left_out=st.sampled_from([0, 0, 3]))
def test_the_lazy_greedy_picks_what_the_plain_loop_picks(seed, cache, left_out):
    points, labeled = points_of(seed, 60), points_of(seed + 1, 4)
    near = nearest_squared(of(points), 60, labeled)
    worth = Worth(lambda squared, at, number: squared, 1e-9, left_out)
    picked, squared = farthest_first(of(points), near, labeled, 20, worth, rng(), cache=cache)
    assert picked.tolist() == plain_core_set(points, labeled, 20, left_out)
    before = [np.concatenate([labeled, points[picked[:i]]]) for i in range(20)]
    expected = [squared_distances(points[[i]], those).min() for i, those in zip(picked, before, strict=True)]
    assert squared == pytest.approx(expected, abs=1e-9)


def test_core_set_picks_what_the_plain_loop_picks_on_a_pool_larger_than_the_cache():
    points, labeled = points_of(3, 3000), points_of(4, 10)
    assert ask(CoreSet(), pool_of(points, labeled), 40, rng()).indices.tolist() == plain_core_set(points, labeled, 40)


def test_core_set_takes_the_farthest_and_then_the_farthest_from_both():
    """A public function of another library mixes positions and indices here, and picks [2, 1]."""
    points, labeled = np.array([[-3.0], [1], [5]], dtype=np.float32), np.array([[0.0]], dtype=np.float32)
    chosen = ask(CoreSet(), pool_of(points, labeled), 2, rng())
    assert chosen.indices.tolist() == [2, 0]
    assert chosen.reasons == ["5 from the nearest labeled or asked item", "3 from the nearest labeled or asked item"]
    assert chosen.thresholds == {"radius": 3.0}


def test_core_set_without_labels_starts_in_the_middle():
    points = np.array([[0.0], [4], [10]], dtype=np.float32)
    none = np.empty((0, 1), dtype=np.float32)
    assert ask(CoreSet(), pool_of(points, none), 3, rng()).indices.tolist() == [1, 2, 0]
    assert querist.select("core_set", 3, embeddings=points, rng=0).tolist() == [1, 2, 0]


def test_the_robust_core_set_passes_over_a_lonely_outlier_but_not_over_a_crowd():
    crowd, near, outlier = np.full((8, 1), 5.0), np.zeros((11, 1)), np.array([[100.0]])
    points = np.concatenate([near, crowd, outlier]).astype(np.float32)
    labeled = np.zeros((1, 1), dtype=np.float32)
    assert ask(CoreSet(), pool_of(points, labeled), 1, rng()).indices.tolist() == [19]
    robust = ask(CoreSet(outliers=0.05), pool_of(points, labeled), 1, rng()).indices[0]
    assert robust in range(11, 19)


def test_twins_of_what_is_labeled_come_last():
    points = np.concatenate([np.zeros((9, 2)), np.eye(2)]).astype(np.float32)
    picked = ask(CoreSet(), pool_of(points, np.zeros((1, 2), dtype=np.float32)), 5, rng()).indices.tolist()
    assert set(picked[:2]) == {9, 10}


def test_many_equal_distances_are_no_reason_to_read_the_pool_again():
    passes = []

    def embed(at):
        if isinstance(at, slice) and at.start == 0 and at.stop > 1:
            passes.append(at)
        return points[at]

    points = np.eye(8, dtype=np.float32)[rng().integers(8, size=5000)]
    pool = replace(pool_of(points, np.zeros((1, 8), dtype=np.float32)), embed=embed)
    picked = ask(CoreSet(), pool, 100, rng()).indices
    assert len(np.unique(points[picked[:8]], axis=0)) == 8
    assert len(passes) <= 5


@pytest.mark.parametrize("outliers", [-0.1, 1.0])
def test_a_share_of_outliers_that_leaves_nothing_is_refused(outliers):
    with pytest.raises(SettingError, match=str(outliers)):
        CoreSet(outliers=outliers)


def test_labeled_items_of_another_space_are_refused():
    with pytest.raises(ShapeError, match="labeled items have 3 dimensions and the pool's 5"):
        ask(CoreSet(), pool_of(points_of(0, 9), np.zeros((1, 3), dtype=np.float32)), 2, rng())


# distances kept from round to round


def numbered_pool(points, open_, known, memory):
    return pool_of(points[open_], points[known], ids=open_, labeled_ids=known, space="s", memory=memory)


def rounds(points, open_, known, memory):
    pool = numbered_pool(points, open_, known, memory)
    near, late = nearest_labeled(pool)
    assert (late.renew() if late else near) == pytest.approx(
        squared_distances(points[open_], points[known]).min(axis=1, initial=np.inf), abs=1e-4
    )


@given(st.lists(st.sets(st.integers(0, 19)), min_size=1, max_size=5))
@settings(max_examples=50)
def test_kept_distances_are_right_whatever_happens_between_rounds(rounds_known):
    """Labels come, are withdrawn, and items leave the pool and come back."""
    points, memory = points_of(7, 20), Memory()
    for number, known in enumerate(rounds_known):
        labeled = np.array(sorted(known), dtype=int)
        open_ = np.setdiff1d(np.arange(number % 3, 20), labeled)
        if len(open_):
            rounds(points, open_, labeled, memory)


def test_a_later_round_measures_only_to_what_was_labeled_since(monkeypatch):
    measured = []

    def count(embed, n_items, to, **known):
        measured.append(len(to))
        return nearest_squared(embed, n_items, to, **known)

    monkeypatch.setattr(distances, "nearest_squared", count)
    points, memory = points_of(7, 40), Memory()
    rounds(points, np.arange(10, 40), np.arange(10), memory)
    rounds(points, np.arange(12, 40), np.arange(12), memory)
    assert measured == [10, 2]


@pytest.mark.parametrize("whole_numbers", [False, True])
@pytest.mark.parametrize(
    ("strategy", "batch"), [(CoreSet(), 40), (CoreSet(), 700), (CoreSet(outliers=0.01), 40), (RankedBatch(), 40)]
)
def test_neither_memory_nor_measuring_to_some_labels_first_changes_a_pick(strategy, batch, whole_numbers, monkeypatch):
    """Among ties, too, and where what is measured first cannot tell all picks."""
    points = points_of(5, 3000, 4)
    points = np.rint(2 * points) if whole_numbers else points
    memory, open_, known = Memory(), np.arange(20, 3000), np.arange(20)
    monkeypatch.setattr(distances, "MANY_ITEMS", 1)
    for number in range(3):
        answers = []
        for kept, many in ((memory, 8), (Memory(), 8), (Memory(), 3000)):
            monkeypatch.setattr(distances, "MANY_LABELS", many)
            answers.append(ask(strategy, numbered_pool(points, open_, known, kept), batch, rng(number)).indices)
        assert answers[0].tolist() == answers[1].tolist() == answers[2].tolist()
        known, open_ = np.concatenate([known, open_[answers[0]]]), np.delete(open_, answers[0])


def test_later_rounds_look_at_the_farthest_items_alone():
    read = []
    points, memory, open_, known = points_of(5, 5000, 64), Memory(), np.arange(20, 5000), np.arange(20)
    for number in range(4):
        pool = numbered_pool(points, open_, known, memory)
        watched = replace(pool, embed=lambda at, pool=pool: read.append(len(pool.embed(at))) or pool.embed(at))
        picked = ask(CoreSet(), watched, 40, rng(number)).indices
        assert max(read) == (4980 if number == 0 else 1024)
        read.clear()
        known, open_ = np.concatenate([known, open_[picked]]), np.delete(open_, picked)


def test_a_label_that_is_withdrawn_after_late_rounds_is_forgotten():
    points, memory = points_of(5, 3000), Memory()
    for known in (np.arange(20), np.arange(30), np.arange(25)):
        open_ = np.setdiff1d(np.arange(3000), known)
        picked = ask(CoreSet(), numbered_pool(points, open_, known, memory), 40, rng()).indices
    assert picked.tolist() == ask(CoreSet(), numbered_pool(points, open_, known, Memory()), 40, rng()).indices.tolist()


def test_memory_is_left_alone_where_labeled_items_have_no_number():
    points = points_of(0, 30)
    first = querist.select("core_set", 5, embeddings=points, labeled_embeddings=points_of(1, 3), rng=0)
    memory = Memory()
    for _ in range(2):
        again = querist.select(
            "core_set", 5, embeddings=points, labeled_embeddings=points_of(1, 3), memory=memory, rng=0
        )
        assert again.tolist() == first.tolist()
    assert not memory.arrays()


# ranked batch


@pytest.mark.parametrize("seed", range(2))
def test_ranked_batch_ranks_as_modal_does(seed):
    select_instance = pytest.importorskip("modAL.batch").select_instance
    points, labeled, scores = points_of(seed, 50), points_of(seed + 50, 30), rng(seed).random(50)
    mask, training, expected = np.ones(50, dtype=bool), labeled, []
    for _ in range(8):
        best, row, mask = select_instance(training, points, scores, mask, "euclidean", None)
        training = np.concatenate([training, row])
        expected.append(best)
    assert ask(RankedBatch(), pool_of(points, labeled, scores), 8, rng()).indices.tolist() == expected


def test_ranked_batch_on_a_pool_larger_than_the_cache_is_the_plain_loop():
    points, labeled, scores = points_of(1, 3000), points_of(2, 2500), rng(3).random(3000)
    near = np.sqrt(squared_distances(points, labeled[:1]))[:, 0]
    for row in labeled[1:]:
        near = np.minimum(near, np.linalg.norm(points - row, axis=1))
    expected = []
    for number in range(30):
        novelty = (3000 - number) / 5500
        worth = novelty * (1 - 1 / (1 + near)) + (1 - novelty) * scores
        worth[expected] = -1
        expected.append(int(worth.argmax()))
        near = np.minimum(near, np.linalg.norm(points - points[expected[-1]], axis=1))
    assert ask(RankedBatch(), pool_of(points, labeled, scores), 30, rng()).indices.tolist() == expected


def test_ranked_batch_without_labels_starts_with_the_most_representative_item():
    points, none = np.array([[0.0], [4], [10]], dtype=np.float32), np.empty((0, 1), dtype=np.float32)
    assert ask(RankedBatch(), pool_of(points, none), 1, rng()).indices.tolist() == [1]


def test_the_grain_is_a_power_of_two_and_never_zero():
    assert grain_of(1.0) == grain_of(1.9) == 2.0**-16
    assert grain_of(0.0) == grain_of(np.inf) == 1.0


def far_but_near_what_was_labeled_since():
    """1,500 items about a place where one is labeled in the second round, and one lone item, a little nearer."""
    crowd = np.c_[np.full(1500, 12.0), np.linspace(-0.01, 0.01, 1500)]
    return np.concatenate([[[0, 0]], [[0.6, 0]], crowd, [[-11.5, 0]]]).astype(np.float32)


@pytest.mark.parametrize("strategy", ["core_set", "ranked_batch"])
def test_a_single_query_of_a_later_round_is_the_one_that_a_fresh_start_asks(strategy):
    points, memory, proba = far_but_near_what_was_labeled_since(), Memory(), np.full((1503, 2), 0.5)
    labels = np.full(len(points), -1)
    labels[0] = 0
    querist.select(strategy, 1, embeddings=points, proba=proba, labels=labels, memory=memory, rng=0)
    labels[1] = 1
    again = querist.select(strategy, 1, embeddings=points, proba=proba, labels=labels, memory=memory, rng=0)
    assert again.tolist() == [1502]
    assert querist.select(strategy, 1, embeddings=points, proba=proba, labels=labels, rng=0).tolist() == [1502]
