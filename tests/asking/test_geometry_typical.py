from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import querist
from querist.core.errors import SettingError
from querist.core.memory import Memory
from querist.core.types import Pool
from querist.models.clusters import cluster_all, means
from querist.models.neighbours import of
from querist.stages.query_strategy.ask import ask
from querist.stages.query_strategy.density import InformationDensity, mean_similarity
from querist.stages.query_strategy.graph_density import GraphDensity, densest, graph, nearest_others
from querist.stages.query_strategy.landmarks import Clusters, landmarks, pool_clusters
from querist.stages.query_strategy.prob_cover import ProbCover, greedy_cover, n_classes_of, pure_radius
from querist.stages.query_strategy.typiclust import TypiClust, mean_distances, take_turns

NONE = np.empty((0, 2), dtype=np.float32)


def rng(seed=0):
    return np.random.default_rng(seed)


def heaps(*sizes, spread=0.1, seed=0):
    """Heaps of points at (0, 0), (10, 0), (20, 0) ..."""
    centres = np.repeat(10 * np.arange(len(sizes)), sizes)
    return (np.c_[centres, np.zeros(len(centres))] + rng(seed).normal(scale=spread, size=(len(centres), 2))).astype(
        np.float32
    )


def pool_of(points, labeled=NONE, **changes):
    return Pool(
        len(points), scores=np.zeros(len(points)), embed=lambda at: points[at], labeled_embeddings=labeled, **changes
    )


# landmarks and clusters


def test_landmarks_stay_the_same_while_items_are_labeled():
    points = rng(1).normal(size=(300, 2)).astype(np.float32)
    first = landmarks(
        pool_of(points[50:], points[:50], ids=np.arange(50, 300), labeled_ids=np.arange(50), space="s"), 40
    )
    moved = rng(2).permutation(300)
    known, open_ = moved[:120], moved[120:]
    later = landmarks(pool_of(points[open_], points[known], ids=open_, labeled_ids=known, space="s"), 40)
    assert len(first.rows) == 40
    assert np.array_equal(first.rows, later.rows)
    assert first.key == later.key
    assert (later.at[later.at >= 0] < len(open_)).all()
    assert np.array_equal(points[open_[later.at[later.at >= 0]]], later.rows[later.at >= 0])


def test_landmarks_grow_until_enough_of_them_can_be_asked():
    points = rng(1).normal(size=(300, 2)).astype(np.float32)
    pool = pool_of(points[:10], points[10:], ids=np.arange(10), labeled_ids=np.arange(10, 300), space="s")
    assert (landmarks(pool, 20, least=5).at >= 0).sum() >= 5


def test_kept_clusters_are_those_found_anew_and_new_items_join_them():
    points = heaps(60, 60, 60)
    order = rng(3).permutation(180)
    memory, first, rest = Memory(), order[:100], order[100:]
    kept = pool_clusters(
        pool_of(points[rest], points[first], ids=rest, labeled_ids=first, space="s", memory=memory), 3, rng()
    )
    assert "clusters/centres" in memory.arrays()
    known, open_ = order[:130], order[130:]
    later = pool_of(points[open_], points[known], ids=open_, labeled_ids=known, space="s")
    again = pool_clusters(replace(later, memory=memory), 3, rng(1))
    anew = pool_clusters(later, 3, rng(2))
    assert again.pool.tolist() == anew.pool.tolist() == kept.pool[30:].tolist()
    assert again.labeled.tolist() == anew.labeled.tolist()
    assert len(np.unique(points[open_][again.pool == again.pool[0]][:, 0] // 5)) <= 2


def test_means_leave_out_empty_clusters_and_twins():
    rows = np.array([[0, 0], [2, 0], [5, 5], [1, 0]], dtype=np.float32)
    assert means(rows, np.array([0, 0, 7, 3])).tolist() == [[1, 0], [5, 5]]


def test_a_whole_pool_is_clustered_through_a_sample():
    points = heaps(3000, 3000, 3000)
    cluster, distance = cluster_all(of(points), 9000, 3, rng())
    assert [len(np.unique(cluster[i : i + 3000])) for i in (0, 3000, 6000)] == [1, 1, 1]
    assert distance.max() < 1


# TypiClust


def test_typicality_is_the_mean_distance_to_the_nearest_others():
    points = rng(0).normal(size=(30, 2)).astype(np.float32)
    distances = np.linalg.norm(points[:, None].astype(float) - points, axis=2)
    expected = np.sort(distances, axis=1)[:, 1:6].mean(axis=1)
    assert mean_distances(points, 5) == pytest.approx(expected, abs=1e-4)


def test_twins_are_typical_and_one_alone_is_not_infinitely_so():
    assert mean_distances(np.ones((7, 2), dtype=np.float32), 3).tolist() == [0] * 7
    assert mean_distances(np.ones((1, 2), dtype=np.float32), 3).tolist() == [0]


def test_typiclust_asks_the_densest_item_of_each_heap_without_labels_the_largest_first():
    points = np.concatenate([heaps(20, 50, 30), [[0, 0], [10, 0], [20, 0]]]).astype(np.float32)
    chosen = ask(TypiClust(), pool_of(points), 3, rng())
    assert [int(points[i, 0].round(-1)) for i in chosen.indices] == [10, 20, 0]
    assert chosen.reasons == [f"typical of {size} similar items" for size in (51, 31, 21)]
    assert np.abs(points[chosen.indices] - [[10, 0], [20, 0], [0, 0]]).max() < 0.1


def test_typiclust_goes_first_where_no_label_is():
    chosen = ask(TypiClust(max_clusters=3), pool_of(heaps(20, 50, 30), heaps(1, 1)), 2, rng())
    assert heaps(20, 50, 30)[chosen.indices[0], 0] > 15
    assert chosen.thresholds["clusters_without_labels"] == 1


def test_turns_go_to_few_labels_then_to_size_and_round_again():
    clusters = Clusters(4, np.repeat([0, 1, 2], [1, 3, 2]), np.array([1, 1, 3]))
    assert take_turns(clusters, 6, rng()).tolist() == [2, 0, 1, 2, 1, 1]


def test_typiclust_with_duplicates_and_empty_clusters_fills_the_batch():
    points = np.repeat(np.eye(3, 2, dtype=np.float32), 10, axis=0)
    chosen = ask(TypiClust(), pool_of(points), 12, rng()).indices
    assert len(set(chosen.tolist())) == 12
    assert len(np.unique(points[chosen[:3]], axis=0)) == 3


def test_typiclust_without_any_label_or_probability():
    assert len(set(querist.select("typiclust", 7, embeddings=heaps(30, 30), rng=0).tolist())) == 7


# ProbCover


def test_each_pick_covers_the_most_items_still_uncovered():
    for seed in range(10):
        points = rng(seed).normal(size=(80, 2)).astype(np.float32)
        ball = np.linalg.norm(points[:, None].astype(float) - points, axis=2) <= 0.6
        uncovered = rng(seed).random(80) < 0.8
        cover = greedy_cover(points, uncovered, 0.6, 80, rng())
        for pick, gain in zip(cover.picked, cover.gains, strict=True):
            assert gain == (ball & uncovered).sum(axis=1).max() == (ball[pick] & uncovered).sum()
            uncovered &= ~ball[pick]
        assert not uncovered.any()
        assert cover.covered == 1


def test_prob_cover_never_asks_an_item_twice_and_says_when_all_is_covered():
    """Another library answers one item 300 times here."""
    points = np.concatenate([np.zeros((50, 2)), np.ones((50, 2)), [[0.5, 0.5]]]).astype(np.float32)
    chosen = ask(ProbCover(radius=0.1), pool_of(points), 10, rng())
    assert len(set(chosen.indices.tolist())) == 10
    assert [r.split(" ")[1] for r in chosen.reasons[:3]] == ["50", "50", "1"]
    assert chosen.note.startswith("3 items that have the most")
    assert "The other 7 are the farthest" in chosen.note
    assert chosen.thresholds["covered"] == 1


def test_what_labels_cover_is_not_asked_for():
    chosen = ask(ProbCover(radius=2.0), pool_of(heaps(50, 20), heaps(1)), 1, rng())
    assert chosen.indices[0] >= 50
    assert chosen.reasons == ["covers 20 new of 70 items"]


def test_the_radius_reaches_to_the_next_cluster():
    radius = pure_radius(heaps(100, 100, spread=0.01), 2, rng())
    assert 9.8 < radius < 10


def test_a_single_cluster_is_covered_by_one_item():
    chosen = ask(ProbCover(), pool_of(heaps(30), classes=("only",)), 1, rng())
    assert chosen.thresholds["covered"] == 1


def test_the_number_of_classes_is_taken_from_where_it_is_known():
    pool = pool_of(heaps(3))
    assert n_classes_of(replace(pool, classes=("a", "b"))) == 2
    assert n_classes_of(replace(pool, proba=np.full((3, 4), 0.25))) == 4
    assert n_classes_of(replace(pool, labeled_codes=np.array([0, 0, 2]))) == 2
    assert n_classes_of(pool) == 10


@pytest.mark.parametrize("setting", [{"radius": 0}, {"radius": "wide"}, {"sample": 0}])
def test_settings_of_prob_cover_that_cannot_work_are_refused(setting):
    with pytest.raises(SettingError, match=str(next(iter(setting.values())))):
        ProbCover(**setting)


# density


def test_mean_similarity_is_that_of_all_pairs():
    points = rng(0).normal(size=(40, 3)).astype(np.float32)
    points[7] = 0
    unit = points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-9)
    assert mean_similarity(of(points), 40) == pytest.approx((unit @ unit.T).mean(axis=1), abs=1e-5)


def test_density_does_not_ask_for_outliers():
    """Another library multiplies by the mean distance and picks exactly the five outliers."""
    points = rng(0).normal(size=(200, 2)).astype(np.float32)
    points[:, 0] += np.repeat([10, -10], [195, 5])
    picked = querist.select("density", 5, proba=np.full((200, 2), 0.5), embeddings=points, rng=0)
    assert (picked < 195).all()


def test_scores_below_zero_do_not_turn_the_order_round():
    points = np.array([[1, 0], [1, 0.1], [0, 1]], dtype=np.float32)
    pool = Pool(3, scores=np.array([-0.1, -0.9, -0.9]), embed=lambda at: points[at])
    assert ask(InformationDensity(), pool, 1, rng()).indices.tolist() == [0]


def test_beta_of_zero_leaves_the_score_alone():
    points = np.array([[1, 0], [1, 0.1], [0, 1]], dtype=np.float32)
    pool = Pool(3, scores=np.array([0.1, 0.2, 0.9]), embed=lambda at: points[at])
    assert ask(InformationDensity(beta=0), pool, 3, rng()).indices.tolist() == [2, 1, 0]
    assert ask(InformationDensity(beta=20), pool, 1, rng()).indices.tolist() == [1]
    with pytest.raises(SettingError, match="-1"):
        InformationDensity(beta=-1)


# graph density


def test_neighbours_leave_out_the_item_itself_even_among_twins():
    points = np.repeat(np.eye(2, dtype=np.float32), 9, axis=0)
    which, near = nearest_others(points, 3)
    assert which.shape == near.shape == (18, 3)
    assert (which != np.arange(18)[:, None]).all()
    assert near.max() == 0


def test_graph_density_is_the_mean_weight_of_edges_in_both_directions():
    points = np.array([[0.0], [1], [3]], dtype=np.float32)
    density, joined = graph(*nearest_others(points, 1))
    # 0 and 1 are each other's nearest, 2 has 1: squared distances 1, 1, 4 and 2 s^2 = 4
    near, far = np.exp(-1 / 4), np.exp(-4 / 4)
    assert density == pytest.approx([near, (near + far) / 2, far], abs=1e-6)
    assert joined.toarray().tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]


def test_what_was_asked_takes_its_density_off_its_neighbours():
    density, joined = graph(*nearest_others(np.array([[0.0], [1], [3]], dtype=np.float32), 1))
    picked, values = densest(density, joined, np.ones(3, dtype=bool), 3, rng())
    assert picked.tolist() == [0, 2, 1]
    assert values == pytest.approx([density[0], density[2], density[1] - density[0] - density[2]])
    picked, _ = densest(density, joined, np.array([False, True, True]), 2, rng())
    assert picked.tolist() == [2, 1]


def test_graph_density_asks_in_the_densest_heap_and_then_elsewhere():
    points = np.r_[heaps(30, spread=0.01), heaps(0, 30, spread=1.0)].astype(np.float32)
    chosen = ask(GraphDensity(), pool_of(points), 12, rng()).indices
    assert chosen[0] < 30
    assert (chosen >= 30).any()


def test_graph_density_on_a_sample_can_still_fill_the_batch():
    assert len(set(ask(GraphDensity(sample=2), pool_of(heaps(20, 20)), 15, rng()).indices.tolist())) == 15
