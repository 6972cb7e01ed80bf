"""Figures of agreement: by hand, beside the packages that others use, and where nothing can be said."""

from __future__ import annotations

import warnings
from math import isnan

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from querist.core.errors import ShapeError
from querist.stages.human_labeling.agreement import (
    class_agreement,
    cohen_kappa,
    confusions,
    disputed,
    fleiss_kappa,
    krippendorff_alpha,
    pair_agreement,
    raw_agreement,
)

FIGURES = [raw_agreement, fleiss_kappa, krippendorff_alpha]
N_CLASSES = 3
TABLES = st.integers(2, 5).flatmap(
    lambda people: arrays(np.int64, st.tuples(st.integers(1, 20), st.just(people)), elements=st.integers(-1, 2))
)
FULL = arrays(np.int64, st.tuples(st.integers(2, 20), st.integers(2, 5)), elements=st.integers(0, 2))

# Two people, four items: they agree on three.
TWO = np.array([[0, 0], [0, 1], [1, 1], [1, 1]])


def same(ours, theirs):
    assert (isnan(ours) and isnan(theirs)) or ours == pytest.approx(theirs, abs=1e-9)


# by hand


def test_raw_agreement_is_the_share_of_pairs_that_say_the_same():
    assert raw_agreement(TWO, 2) == 0.75
    assert raw_agreement(np.array([[0, 0, 1], [2, -1, -1]]), 3) == pytest.approx(1 / 3)


def test_cohen_by_hand():
    # The first says 0 in 1/2, the second in 1/4: by chance they agree in 1/8 + 3/8 of the items.
    assert cohen_kappa(TWO[:, 0], TWO[:, 1], 2) == pytest.approx((0.75 - 0.5) / 0.5)


def test_fleiss_by_hand():
    # Of eight answers three are 0: chance agreement is 9/64 + 25/64.
    assert fleiss_kappa(TWO, 2) == pytest.approx((0.75 - 34 / 64) / (30 / 64))


def test_alpha_by_hand():
    # As Fleiss, but chance pairs are drawn without putting back: (3 * 2 + 5 * 4) / (8 * 7).
    assert krippendorff_alpha(TWO, 2) == pytest.approx((0.75 - 26 / 56) / (30 / 56))


def test_where_one_says_a_class_how_often_another_does():
    assert class_agreement(TWO, 3).tolist()[:2] == pytest.approx([2 / 3, 4 / 5])
    assert isnan(class_agreement(TWO, 3)[2]), "nobody gave it"


def test_confusions_see_each_pair_from_both_sides():
    assert confusions(TWO, 2).tolist() == [[2, 1], [1, 4]]
    assert confusions(np.array([[0, 1, 2]]), 3).tolist() == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]


def test_each_two_people_on_the_items_they_share():
    found = pair_agreement(np.array([[0, 0, -1], [0, 1, 1], [1, 1, -1], [1, 1, 1]]), 2)
    assert found.shared.tolist() == [[0, 4, 2], [4, 0, 2], [2, 2, 0]]
    assert found.same.tolist() == [[0, 3, 1], [3, 0, 2], [1, 2, 0]]
    assert found.with_others.tolist() == pytest.approx([4 / 6, 5 / 6, 3 / 4])
    assert found.kappa[0, 1] == pytest.approx(0.5)
    assert found.kappa[0, 2] == pytest.approx(0.0), "the third always says 1, so half agreement is chance"
    assert isnan(found.kappa[1, 2]), "both say nothing but 1 of what they share"
    assert found.mean_kappa == pytest.approx((4 * 0.5 + 2 * 0.0) / 6)


def test_items_are_disputed_when_two_classes_were_given():
    assert disputed(np.array([[0, 0], [0, 1], [2, -1], [-1, -1]]), 3).tolist() == [False, True, False, False]


# where nothing can be said


@pytest.mark.parametrize("figure", FIGURES)
def test_nobody_overlaps(figure):
    for table in ([[0], [1]], [[0, -1], [-1, 1]], [[-1, -1]], np.empty((0, 1), dtype=np.int64)):
        assert isnan(figure(np.asarray(table), 2))


def test_pairs_that_share_nothing_have_no_kappa():
    found = pair_agreement(np.array([[0, -1], [-1, 1]]), 2)
    assert np.isnan(found.kappa).all()
    assert np.isnan(found.with_others).all()
    assert isnan(found.mean_kappa)


def test_one_class_agrees_fully_and_proves_nothing():
    table = np.zeros((5, 3), dtype=np.int64)
    assert raw_agreement(table, 1) == 1.0
    assert isnan(fleiss_kappa(table, 1))
    assert isnan(krippendorff_alpha(table, 1))
    assert isnan(pair_agreement(table, 1).mean_kappa)


def test_without_any_class_there_is_nothing_to_say():
    assert isnan(raw_agreement(np.full((2, 1), -1), 0))


def test_fleiss_wants_equally_many_answers_and_leaves_single_ones_out():
    assert isnan(fleiss_kappa(np.array([[0, 1, 1], [0, 0, -1]]), 2))
    assert fleiss_kappa(np.vstack([TWO, [[1, -1]]]), 2) == fleiss_kappa(TWO, 2)


def test_a_code_outside_the_classes_is_refused():
    with pytest.raises(ShapeError, match=r"-1\.\.1"):
        raw_agreement(np.array([[0, 2]]), 2)


# beside other packages


@settings(max_examples=50)
@given(FULL)
def test_cohen_is_that_of_scikit_learn(table):
    from sklearn.metrics import cohen_kappa_score

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = cohen_kappa_score(table[:, 0], table[:, 1], labels=range(N_CLASSES))
    same(cohen_kappa(table[:, 0], table[:, 1], N_CLASSES), theirs)


@settings(max_examples=50)
@given(FULL)
def test_fleiss_is_that_of_statsmodels(table):
    irr = pytest.importorskip("statsmodels.stats.inter_rater", reason="statsmodels is not installed")
    assume(len(np.unique(table)) > 1)
    same(fleiss_kappa(table, N_CLASSES), irr.fleiss_kappa(irr.aggregate_raters(table, N_CLASSES)[0]))


@settings(max_examples=50)
@given(TABLES)
def test_alpha_is_that_of_krippendorff(table):
    krippendorff = pytest.importorskip("krippendorff", reason="the package krippendorff is not installed")
    shared = table[(table >= 0).sum(axis=1) > 1]
    assume(len(np.unique(shared[shared >= 0])) > 1)
    theirs = krippendorff.alpha(np.where(table >= 0, table, np.nan).T, level_of_measurement="nominal")
    same(krippendorff_alpha(table, N_CLASSES), theirs)


# properties


@settings(max_examples=50)
@given(TABLES, st.randoms())
def test_names_and_order_of_people_items_and_classes_do_not_matter(table, random):
    items, people = (random.sample(range(n), n) for n in table.shape)
    codes = np.array([*random.sample(range(N_CLASSES), N_CLASSES), -1])
    other = codes[table][items][:, people]
    for figure in FIGURES:
        same(figure(table, N_CLASSES), figure(other, N_CLASSES))
    same(pair_agreement(table, N_CLASSES).mean_kappa, pair_agreement(other, N_CLASSES).mean_kappa)


@settings(max_examples=50)
@given(TABLES)
def test_the_figures_fit_each_other(table):
    pairs, raw = pair_agreement(table, N_CLASSES), raw_agreement(table, N_CLASSES)
    same(raw, pairs.same.sum() / pairs.shared.sum() if pairs.shared.any() else float("nan"))
    assert (pairs.kappa == pairs.kappa.T)[~np.isnan(pairs.kappa)].all()
    if disputed(table, N_CLASSES).any():
        assert raw < 1
        assert krippendorff_alpha(table, N_CLASSES) < 1
