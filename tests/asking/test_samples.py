from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import querist
from querist.core.checks import check_samples
from querist.core.errors import ShapeError
from querist.plugins import available, find
from querist.stages.uncertainty_scoring import samples as module
from querist.stages.uncertainty_scoring.samples import (
    bald,
    consensus_entropy,
    decompose,
    expected_entropy,
    max_disagreement,
    mean_kl,
    predictive_variance,
    variation_ratio,
    vote_entropy,
)

NAMES = available("sample_measures")
SURE_BUT_APART = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
EVENLY_UNSURE = np.full((2, 1, 2), 0.5)


@st.composite
def opinions(draw):
    shape = tuple(draw(st.integers(1, top)) for top in (5, 6, 4))
    weights = draw(arrays(np.float64, shape, elements=st.sampled_from([0.0, 1e-12, 0.1, 0.5, 1.0, 3.0])))
    weights[weights.sum(axis=2) == 0] = 1.0
    return weights / weights.sum(axis=2, keepdims=True)


def plain_entropy(row):
    return -sum(p * log(p) for p in row if p > 0)


def reference(name, rows):
    """One item, rows of (n_samples, n_classes), in the plainest words."""
    mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    votes = [max(range(len(row)), key=lambda c: row[c]) for row in rows]
    shares = [votes.count(c) / len(rows) for c in range(len(mean))]
    kl = [sum(p * log(p / q) for p, q in zip(row, mean, strict=True) if p > 0) for row in rows]
    return {
        "vote_entropy": plain_entropy(shares),
        "consensus_entropy": plain_entropy(mean),
        "expected_entropy": sum(map(plain_entropy, rows)) / len(rows),
        "bald": plain_entropy(mean) - sum(map(plain_entropy, rows)) / len(rows),
        "mean_kl": sum(kl) / len(rows),
        "max_disagreement": max(kl),
        "variation_ratio": 1 - max(shares),
        "predictive_variance": sum(sum((row[c] - mean[c]) ** 2 for row in rows) / len(rows) for c in range(len(mean))),
    }[name]


@pytest.mark.parametrize("name", NAMES)
@given(samples=opinions())
def test_sample_measures_agree_with_the_textbook(name, samples):
    expected = [reference(name, samples[:, i].tolist()) for i in range(samples.shape[1])]
    assert find("sample_measures", name)(samples) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
@given(samples=opinions())
def test_no_sample_measure_is_negative_or_nan(name, samples):
    assert (find("sample_measures", name)(samples) >= 0).all()


def test_opinions_that_are_sure_and_differ_are_all_epistemic():
    assert decompose(SURE_BUT_APART) == (pytest.approx([log(2)]), pytest.approx([0.0]))
    assert vote_entropy(SURE_BUT_APART) == pytest.approx([log(2)])
    assert variation_ratio(SURE_BUT_APART) == pytest.approx([0.5])
    assert predictive_variance(SURE_BUT_APART) == pytest.approx([0.5])
    assert max_disagreement(SURE_BUT_APART) == pytest.approx([log(2)])


def test_opinions_that_agree_on_a_coin_are_all_aleatoric():
    assert decompose(EVENLY_UNSURE) == (pytest.approx([0.0]), pytest.approx([log(2)]))


@given(samples=opinions())
def test_the_two_parts_make_the_whole(samples):
    epistemic, aleatoric = decompose(samples)
    assert epistemic + aleatoric == pytest.approx(consensus_entropy(samples), abs=1e-9)
    assert mean_kl(samples) == pytest.approx(bald(samples), abs=1e-9)


@pytest.mark.parametrize("name", ["vote_entropy", "bald", "mean_kl", "max_disagreement", "variation_ratio"])
def test_one_opinion_disagrees_with_nobody(name):
    samples = np.random.default_rng(0).dirichlet(np.ones(3), size=(1, 5))
    assert find("sample_measures", name)(samples).tolist() == [0.0] * 5


@pytest.mark.parametrize("name", NAMES)
def test_one_class_leaves_nothing_to_disagree_on(name):
    assert find("sample_measures", name)(np.ones((3, 4, 1))).tolist() == [0.0] * 4


@pytest.mark.parametrize("name", NAMES)
def test_blocks_of_opinions_do_not_show(name, monkeypatch):
    samples = np.random.default_rng(0).dirichlet(np.ones(3), size=(4, 23))
    whole = find("sample_measures", name)(samples)
    monkeypatch.setattr(module, "CELLS", 60)
    assert np.array_equal(find("sample_measures", name)(samples), whole)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_votes_for_other_classes_are_an_exact_tie(name):
    """Summed in another order they differ in the last bit, and the position of a class must not decide a pick."""
    rows = np.random.default_rng(1).dirichlet(np.ones(5), size=(7, 1))
    turned = np.concatenate([np.roll(rows, turn, axis=2) for turn in range(5)], axis=1)
    assert len(set(find("sample_measures", name)(turned).tolist())) == 1


def test_modal_gives_the_same_values():
    disagreement = pytest.importorskip("modAL.disagreement")
    samples = np.random.default_rng(0).dirichlet(np.ones(3), size=(4, 30))

    class Committee:
        classes_ = range(3)

        def __len__(self):
            return len(samples)

        def __iter__(self):
            return iter(samples)

        def vote(self, X):
            return samples.argmax(axis=2).T

        def vote_proba(self, X):
            return samples.transpose(1, 0, 2)

        def predict_proba(self, X):
            return samples.mean(axis=0)

    committee, X = Committee(), np.zeros((30, 1))
    assert vote_entropy(samples) == pytest.approx(disagreement.vote_entropy(committee, X))
    assert consensus_entropy(samples) == pytest.approx(disagreement.consensus_entropy(committee, X))
    assert max_disagreement(samples) == pytest.approx(disagreement.KL_max_disagreement(committee, X))


def test_scikit_activeml_gives_the_same_values():
    pool = pytest.importorskip("skactiveml.pool")
    samples = np.random.default_rng(0).dirichlet(np.ones(3), size=(4, 30))
    votes = samples.argmax(axis=2).T
    assert vote_entropy(samples) == pytest.approx(pool.vote_entropy(votes, classes=[0, 1, 2]))
    assert variation_ratio(samples) == pytest.approx(pool.variation_ratios(votes))
    assert mean_kl(samples) == pytest.approx(pool.average_kl_divergence(samples), abs=1e-5)


# where opinions enter


def test_score_takes_opinions_by_the_name_of_a_sample_measure():
    assert querist.score(SURE_BUT_APART, measure="bald") == pytest.approx([log(2)])


def test_score_takes_the_mean_of_opinions_by_the_name_of_any_other():
    assert querist.score(SURE_BUT_APART, measure="margin") == pytest.approx([1.0])


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.ones((2, 1)), "shape"),
        (np.ones((0, 1, 1)), "shape"),
        ([[[0.5, 0.5]], [[0.5, np.nan]]], "opinion 1 of 2: probabilities hold NaN in row 0"),
        (np.ones((2, 3, 1)), "3 items, expected 1"),
    ],
)
def test_bad_opinions_are_refused_by_number(samples, message):
    with pytest.raises(ShapeError, match=message):
        check_samples(samples, n_items=1)


def test_expected_entropy_is_of_each_opinion_and_not_of_their_mean():
    assert expected_entropy(SURE_BUT_APART).tolist() == [0.0]
