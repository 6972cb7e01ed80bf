from __future__ import annotations

import numpy as np
import pytest

import querist
from querist.core.errors import SettingError
from querist.core.types import Pool
from querist.models.neighbours import of
from querist.stages.query_strategy.ask import ask
from querist.stages.query_strategy.cal import Contrastive, contrast
from querist.stages.query_strategy.cluster_margin import ClusterMargin
from querist.stages.query_strategy.dal import Discriminative, unlike_labeled
from querist.stages.query_strategy.kmeans import KMeansDiversity, round_robin
from querist.testing.strategies import check_strategy, make_pool


def rng(seed=0):
    return np.random.default_rng(seed)


def heaps(*sizes, spread=0.1):
    centres = np.repeat(10 * np.arange(len(sizes)), sizes)
    noise = rng().normal(scale=spread, size=(len(centres), 2))
    return (np.c_[centres, np.zeros(len(centres))] + noise).astype(np.float32)


# k-means


@pytest.mark.parametrize("params", [{"weighted": True}, {"quota": "proportional"}, {"candidates": "pool"}])
def test_every_form_of_kmeans_keeps_the_contract(params):
    check_strategy(lambda: KMeansDiversity(**params))


def test_an_even_quota_asks_small_clusters_as_often_and_a_proportional_one_by_size():
    points, scores = heaps(90, 30), rng(1).random(120)
    pool = Pool(120, scores=scores, embed=lambda at: points[at])
    counts = {}
    for quota in ("even", "proportional"):
        chosen = ask(KMeansDiversity(clusters=2, candidates="pool", quota=quota), pool, 8, rng()).indices
        counts[quota] = np.bincount(chosen >= 90).tolist()
    assert counts == {"even": [4, 4], "proportional": [6, 2]}


def test_a_proportional_quota_by_hand():
    cluster = np.array([0, 0, 0, 0, 1, 1])
    picked = round_robin(np.array([6, 5, 4, 3, 2, 1.0]), cluster, np.zeros(6), 6, rng(), quota="proportional")
    assert cluster[picked].tolist() == [0, 1, 0, 0, 1, 0]


def test_weights_draw_the_centres_to_the_uncertain():
    """Two clusters for three heaps: the two that are uncertain get one each."""
    points = heaps(40, 40, 40)
    scores = np.repeat([1.0, 1e-6, 1.0], 40)
    pool = Pool(120, scores=scores, embed=lambda at: points[at])
    strategy = KMeansDiversity(clusters=2, candidates="pool", weighted=True)
    picked = ask(strategy, pool, 2, rng()).indices
    assert sorted(picked // 40) == [0, 2]


def test_a_whole_pool_of_candidates_is_read_in_blocks():
    points = rng(0).normal(size=(40_000, 2)).astype(np.float32)
    sizes = []

    def embed(at):
        sizes.append(len(points[at]))
        return points[at]

    ask(KMeansDiversity(candidates="pool"), Pool(40_000, scores=rng(1).random(40_000), embed=embed), 60, rng())
    assert max(sizes) < 20_000


@pytest.mark.parametrize("setting", [{"quota": "fair"}, {"candidates": "all"}])
def test_settings_of_kmeans_that_cannot_work_are_refused(setting):
    with pytest.raises(SettingError, match=str(next(iter(setting.values())))):
        KMeansDiversity(**setting)


# cluster-margin


def test_cluster_margin_goes_round_from_the_smallest_cluster_on():
    points = heaps(6, 3, 1)
    scores = np.array([9, 8, 7, 6, 5, 4, 3, 2, 1, 0.5])
    pool = Pool(10, scores=scores, embed=lambda at: points[at], labeled_embeddings=np.empty((0, 2), dtype=np.float32))
    assert ask(ClusterMargin(clusters=3), pool, 6, rng()).indices.tolist() == [9, 6, 0, 7, 1, 8]


def test_cluster_margin_looks_at_the_highest_scores_only():
    points, scores = heaps(60, 60), np.linspace(0, 1, 120)
    pool = Pool(120, scores=scores, embed=lambda at: points[at], labeled_embeddings=np.empty((0, 2), dtype=np.float32))
    chosen = ask(ClusterMargin(clusters=2, candidates=3), pool, 10, rng())
    assert chosen.indices.min() >= 90
    assert chosen.thresholds["candidates"] == 30


@pytest.mark.parametrize("setting", [{"clusters": 0}, {"candidates": 0.5}])
def test_settings_of_cluster_margin_that_cannot_work_are_refused(setting):
    with pytest.raises(SettingError, match=str(next(iter(setting.values())))):
        ClusterMargin(**setting)


# contrastive


def kl(p, q):
    return float(sum(a * np.log(a / max(b, 1e-12)) for a, b in zip(p, q, strict=True) if a > 0))


def test_contrast_is_the_mean_divergence_from_the_nearest_labeled():
    points, labeled = rng(0).normal(size=(30, 2)).astype(np.float32), rng(1).normal(size=(12, 2)).astype(np.float32)
    proba, theirs = rng(2).dirichlet(np.ones(3), 30), rng(3).dirichlet(np.ones(3), 12)
    theirs[4], proba[5] = [1, 0, 0], [0, 1, 0]
    distances = np.linalg.norm(points[:, None] - labeled, axis=2)
    expected = [np.mean([kl(theirs[j], proba[i]) for j in np.argsort(distances[i])[:5]]) for i in range(30)]
    assert contrast(of(points), proba, labeled, theirs, 5) == pytest.approx(expected, abs=1e-5)


def test_contrast_with_fewer_labels_than_neighbours_and_with_none():
    points, proba = np.zeros((3, 2), dtype=np.float32), np.full((3, 2), 0.5)
    one = np.array([[1.0, 0.0]])
    assert contrast(of(points), proba, points[:1], one, 10) == pytest.approx(np.full(3, np.log(2)), abs=1e-5)
    assert contrast(of(points), proba, points[:0], one[:0], 10).tolist() == [0, 0, 0]


def test_cal_asks_for_the_item_read_otherwise_than_its_neighbours():
    pool = make_pool(20)
    proba = np.tile([0.9, 0.05, 0.05], (20, 1))
    proba[13] = [0.05, 0.05, 0.9]

    theirs = np.tile([0.9, 0.05, 0.05], (9, 1))
    chosen = ask(Contrastive(), make_pool(20, proba=proba, labeled_proba=theirs), 1, rng())
    assert chosen.indices.tolist() == [13]
    assert chosen.reasons[0].startswith(f"{0.85 * np.log(18):.2f} nats")
    assert pool.n_items == 20


def test_cal_reads_the_labeled_from_the_same_arrays():
    generator = rng(4)
    points, proba = generator.normal(size=(40, 3)).astype(np.float32), generator.dirichlet(np.ones(3), 40)
    labels = np.where(np.arange(40) % 3 == 0, 1, -1)
    open_, known = np.flatnonzero(labels < 0), np.flatnonzero(labels >= 0)
    values = contrast(of(points[open_]), proba[open_], points[known], proba[known], 10)
    chosen = querist.select("cal", 5, proba=proba, embeddings=points, labels=labels)
    assert set(chosen) == set(open_[np.argsort(-values)[:5]])


# discriminative


def test_dal_asks_where_no_label_is():
    points = heaps(40, 40)
    pool = Pool(80, embed=lambda at: points[at], labeled_embeddings=heaps(10))
    chosen = ask(Discriminative(sub_batches=2), pool, 10, rng())
    assert (chosen.indices >= 40).all()
    assert min(float(reason.rsplit(" ", 1)[1]) for reason in chosen.reasons) >= 0.5


def test_what_dal_asked_counts_as_labeled_for_the_next_sub_batch():
    points = np.r_[heaps(0, 30), -heaps(0, 30)].astype(np.float32)
    labeled = np.array([[1, 0], [1.1, 0.1]], dtype=np.float32)
    pool = Pool(60, embed=lambda at: points[at], labeled_embeddings=labeled)
    once = ask(Discriminative(sub_batches=1), pool, 20, rng()).indices
    often = ask(Discriminative(sub_batches=20), pool, 20, rng()).indices
    assert len(np.unique(once // 30)) == 1
    assert len(np.unique(often // 30)) == 2


def test_dal_without_labels_has_no_opinion():
    points = heaps(20)
    assert unlike_labeled(of(points), 20, points[:0], points[:5]).tolist() == [0] * 20
    assert len(set(querist.select("dal", 5, embeddings=points, rng=0).tolist())) == 5


@pytest.mark.parametrize("setting", [{"sub_batches": 0}, {"sample": 0}])
def test_settings_of_dal_that_cannot_work_are_refused(setting):
    with pytest.raises(SettingError, match=str(next(iter(setting)))):
        Discriminative(**setting)
