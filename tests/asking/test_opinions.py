"""Strategies that ask several opinions: qbc, bald, batch_bald."""

from __future__ import annotations

from itertools import product
from math import log

import numpy as np
import pytest

import querist
from querist.core.errors import SettingError, ShapeError, UnknownName
from querist.core.types import Pool
from querist.stages.query_strategy.ask import ask, make
from querist.stages.query_strategy.batch_bald import Answers, BatchBald, extend, gain, joint_picks
from querist.stages.query_strategy.qbc import dissent
from querist.stages.uncertainty_scoring.samples import bald, vote_entropy
from querist.testing.strategies import make_pool


def rng(seed=0):
    return np.random.default_rng(seed)


def random_samples(n_samples, n_items, n_classes, seed=0, sharp=0.5):
    return rng(seed).dirichlet(np.full(n_classes, sharp), size=(n_samples, n_items))


def pool_of(samples):
    return Pool(samples.shape[1], samples=lambda: samples)


# qbc and bald


def test_qbc_takes_the_most_divided_items_in_order():
    samples = np.array([[[1, 0], [1, 0], [1, 0]], [[1, 0], [0, 1], [1, 0]], [[1, 0], [0, 1], [0, 1]]], dtype=float)
    chosen = ask(make("qbc", {"measure": "variation_ratio"})[0], pool_of(samples), 3, rng())
    assert sorted(chosen.indices[:2].tolist()) == [1, 2]
    assert chosen.indices[2] == 0
    assert chosen.reasons[2] == "0 of 3 models disagree with the others"
    assert chosen.reasons[0] == "1 of 3 models disagree with the others"


def test_dissent_counts_those_outside_the_largest_party():
    votes = np.array([0, 0, 1, 2, 2, 2])
    samples = np.eye(3)[votes][:, None]
    assert dissent(samples, np.array([0])) == ["3 of 6 models disagree with the others"]


def test_bald_leaves_alone_what_no_label_will_settle():
    coin = [[0.5, 0.5], [0.5, 0.5]]
    apart = [[0.9, 0.1], [0.1, 0.9]]
    samples = np.array([coin, apart]).transpose(1, 0, 2)
    assert querist.select("bald", 1, samples=samples, rng=0).tolist() == [1]
    assert querist.select("qbc", 1, samples=samples, params={"measure": "expected_entropy"}, rng=0).tolist() == [0]


@pytest.mark.parametrize("measure", ["vote_entropy", "bald", "max_disagreement"])
def test_qbc_gives_the_highest_scores(measure):
    samples = random_samples(5, 40, 3)
    chosen = ask(make("qbc", {"measure": measure})[0], pool_of(samples), 10, rng())
    scores = querist.score(samples, measure=measure)
    assert chosen.scores.tolist() == scores[chosen.indices].tolist()
    assert chosen.scores.min() >= np.delete(scores, chosen.indices).max()


def test_ties_among_votes_are_drawn_evenly():
    samples = np.tile(np.array([[1.0, 0.0], [0.0, 1.0]])[:, None], (1, 6, 1))
    counts = np.bincount([ask(make("qbc")[0], pool_of(samples), 1, rng(s)).indices[0] for s in range(600)])
    assert counts == pytest.approx([100] * 6, abs=40)


def test_an_unknown_measure_of_qbc_is_refused_with_those_available():
    with pytest.raises(UnknownName, match="Did you mean 'vote_entropy'"):
        make("qbc", {"measure": "vote_entropie"})


@pytest.mark.parametrize("name", ["qbc", "bald", "batch_bald"])
def test_opinions_with_nan_are_refused(name):
    samples = random_samples(3, 10, 2)
    samples[1, 4, 0] = np.nan
    with pytest.raises(ShapeError, match="opinion 1 of 3: probabilities hold NaN in row 4"):
        ask(make(name)[0], pool_of(samples), 2, rng())


def test_vote_entropy_of_opinions_with_zeros_is_no_nan_and_does_not_win():
    """A library gives NaN at a probability of exactly 0, and then asks for the one item that is certain."""
    samples = np.array([[[1.0, 0.0], [0.6, 0.4]], [[1.0, 0.0], [0.4, 0.6]]])
    for name in ("qbc", "bald", "batch_bald"):
        assert ask(make(name)[0], pool_of(samples), 1, rng()).indices.tolist() == [1]


# batch_bald


def joint_information(samples, batch):
    """I(labels of the batch; model) by listing every answer."""
    n_samples, _, n_classes = samples.shape
    joint = [
        np.prod([samples[:, item, answer] for item, answer in zip(batch, answers, strict=True)], axis=0)
        for answers in product(range(n_classes), repeat=len(batch))
    ]
    total = -sum(p * log(p) for p in (chance.mean() for chance in joint) if p > 0)
    own = -sum(p * log(p) for chance in joint for p in chance if p > 0) / n_samples
    return total - own


def greedy(samples, k):
    picked, values = [], []
    for _ in range(k):
        rest = [i for i in range(samples.shape[1]) if i not in picked]
        values.append(max(joint_information(samples, [*picked, i]) for i in rest))
        picked.append(max(rest, key=lambda i: joint_information(samples, [*picked, i])))
    return picked, values


@pytest.mark.parametrize("seed", range(12))
def test_batch_bald_is_the_greedy_search_over_every_answer(seed):
    samples = random_samples(4, 7, 2 + seed % 2, seed)
    picked, gains = joint_picks(samples, 4, rng(), configurations=1000)
    expected, values = greedy(samples, 4)
    assert picked.tolist() == expected
    assert np.cumsum(gains) == pytest.approx(values, abs=1e-7)


def test_the_first_gain_is_bald():
    samples = random_samples(6, 20, 3)
    start = Answers(np.ones(1), np.full((1, 6), 1 / 6))
    assert gain(samples, start) == pytest.approx(bald(samples), abs=1e-8)


def test_few_looks_find_what_looking_at_all_finds(monkeypatch):
    from querist.stages.query_strategy import batch_bald

    samples = random_samples(8, 300, 2, seed=3, sharp=1.0)
    whole = joint_picks(samples, 6, rng(), configurations=1000)[0]
    monkeypatch.setattr(batch_bald, "LOOK", 3)
    assert joint_picks(samples, 6, rng(), configurations=1000)[0].tolist() == whole.tolist()


def test_a_twin_of_a_pick_adds_less_than_another_item():
    """Bald would ask the two twins; together they tell little more than one."""
    twin = [[0.99, 0.01], [0.99, 0.01], [0.01, 0.99], [0.01, 0.99]]
    other = [[0.9, 0.1], [0.1, 0.9], [0.9, 0.1], [0.1, 0.9]]
    samples = np.array([twin, twin, other]).transpose(1, 0, 2)
    assert set(querist.select("bald", 2, samples=samples, rng=0)) == {0, 1}
    assert 2 in querist.select("batch_bald", 2, samples=samples, rng=0)


def test_drawn_answers_come_as_often_as_they_are_likely():
    samples = random_samples(3, 4, 3, seed=5)
    exact = Answers(np.ones(1), np.full((1, 3), 1 / 3))
    drawn = Answers(np.full(40_000, 1 / 40_000), np.full((40_000, 3), 1 / 3))
    for item in range(3):
        exact = extend(exact, samples[:, item], rng(), 1000)
        drawn = extend(drawn, samples[:, item], rng(item), 40_000)
    assert len(exact.weight) == 27
    assert exact.weight.sum() == pytest.approx(1)
    assert gain(samples, drawn) == pytest.approx(gain(samples, exact), abs=5e-3)


def test_an_impossible_answer_is_never_drawn():
    certain = np.array([[1.0, 0.0], [1.0, 0.0]])
    answers = Answers(np.full(50, 0.02), np.full((50, 2), 0.5))
    assert np.isfinite(extend(answers, certain, rng(), 50).belief).all()


def test_drawn_answers_pick_nearly_as_well_as_all():
    samples = random_samples(6, 12, 2, seed=2)
    few = joint_picks(samples, 5, rng(), configurations=16)[0]
    best = joint_picks(samples, 5, rng(), configurations=10_000)[0]
    assert joint_information(samples, few) == pytest.approx(joint_information(samples, best), rel=0.1)


def test_when_the_models_are_told_apart_the_rest_goes_by_bald():
    samples = np.tile(np.array([[1.0, 0.0], [0.0, 1.0]])[:, None], (1, 5, 1))
    samples[:, 0] = [[0.9, 0.1], [0.2, 0.8]]
    chosen = ask(make("batch_bald")[0], pool_of(samples), 5, rng())
    assert chosen.scores[0] == pytest.approx(log(2))
    assert chosen.scores[1:].tolist() == [0.0] * 4
    assert chosen.indices[-1] == 0  # the least telling by itself
    assert "4 more by what each tells alone" in chosen.note


def test_only_candidates_are_looked_at():
    chosen = ask(BatchBald(candidates=3), make_pool(50), 2, rng())
    assert chosen.thresholds["candidates"] == 3
    assert set(chosen.indices) <= set(np.argsort(-bald(make_pool(50).samples()))[:3])


@pytest.mark.parametrize("setting", [{"candidates": 0}, {"configurations": 0}])
def test_settings_of_batch_bald_that_cannot_work_are_refused(setting):
    with pytest.raises(SettingError, match=f"{next(iter(setting))} = 0"):
        BatchBald(**setting)


def test_one_class_and_one_opinion_tell_nothing_and_still_fill_the_batch():
    for samples in (np.ones((3, 6, 1)), random_samples(1, 6, 3)):
        assert len(ask(BatchBald(), pool_of(samples), 4, rng()).indices) == 4
    assert vote_entropy(np.ones((3, 6, 1))).max() == 0
