"""Memory, committees, reasons and the pool the loop lays before a strategy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from querist.config import Settings
from querist.core.errors import StrategyError
from querist.core.memory import Memory
from querist.core.types import Pool, Selection
from querist.models.committee import committee_proba, draw
from querist.models.features import Features
from querist.models.learners import LearnerSpec
from querist.pipeline.arrays import select
from querist.pools import Known, Scored, make_pool, terms_of
from querist.stages.query_strategy.ask import ask
from querist.stages.query_strategy.reasons import explain
from querist.testing import strategies as contract


class Spy:
    """Takes the first items and notes what it was given."""

    def __init__(self, *needs: str, reasons: tuple[str, ...] = (), bytes: int = 0) -> None:
        self.needs, self.reasons, self.bytes = frozenset(needs), reasons, bytes
        self.pools: list[Pool] = []

    def bytes_needed(self, n_items: int, n_dims: int, n_classes: int, batch_size: int) -> int:
        return self.bytes

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        self.pools.append(pool)
        return Selection(np.arange(batch_size), np.zeros(batch_size), reasons=self.reasons)


def test_memory_answers_under_the_key_it_was_kept_under_and_no_other() -> None:
    memory = Memory()
    memory.keep("near", "space 1", ids=np.arange(3), distance=np.ones(3))
    found = memory.recall("near", "space 1")
    assert found is not None
    assert sorted(found) == ["distance", "ids"]
    assert memory.recall("near", "space 2") is None
    assert memory.recall("far", "space 1") is None


def test_memory_survives_as_arrays_and_replaces_what_it_kept() -> None:
    memory = Memory()
    memory.keep("near", "a", ids=np.arange(3), extra=np.ones(1))
    memory.keep("near", "a", ids=np.arange(5))
    again = Memory(memory.arrays()).recall("near", "a")
    assert again is not None
    assert list(again) == ["ids"]
    assert len(again["ids"]) == 5


def test_a_copy_of_memory_keeps_what_the_original_goes_on_to_forget() -> None:
    memory = Memory()
    memory.keep("near", "a", ids=np.arange(3))
    copy = memory.copy()
    memory.keep("near", "b", ids=np.arange(4))
    assert copy.recall("near", "a") is not None
    assert copy.recall("near", "b") is None


def test_a_committee_draws_as_many_of_each_class_as_there_are() -> None:
    y = np.array([0, 0, 0, 0, 1, 2, 2])
    for seed in range(20):
        assert np.bincount(y[draw(y, np.random.default_rng(seed))]).tolist() == [4, 1, 2]


def test_the_loop_computes_only_what_a_strategy_needs() -> None:
    features = Features.of(np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32))
    plain, curious = Spy("scores"), Spy("samples", "labeled_embeddings", "train", "model")
    for spy in (plain, curious):
        ask(spy, _pool(spy, features), 4, np.random.default_rng(0))
    assert plain.pools[0].samples is None
    assert plain.pools[0].labeled_embeddings is None
    assert plain.pools[0].X is None
    seen = curious.pools[0]
    assert seen.samples is not None
    assert seen.train is not None
    opinions = seen.samples()
    assert opinions.shape == (3, 30, 2)
    assert opinions.sum(axis=2) == pytest.approx(np.ones((3, 30)), abs=1e-5)
    assert len({opinions[i].tobytes() for i in range(3)}) == 3, "members that agree in every bit are one member"
    assert seen.labeled is not None
    assert seen.train(*seen.labeled).predict_proba(seen.labeled[0]).shape == (10, 2)


def test_a_committee_says_the_same_for_the_same_generator() -> None:
    features = Features.of(np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32))
    pools = [_pool(Spy("samples"), features) for _ in range(2)]
    first, second = (pool.samples() for pool in pools if pool.samples is not None)
    assert np.array_equal(first, second)


def test_a_strategy_that_needs_more_memory_than_it_may_use_is_refused_before_it_starts() -> None:
    spy = Spy("embeddings", bytes=3 << 30)
    with pytest.raises(StrategyError, match=r"needs 3\.0 GiB for 30 items and may use 1\.0.*query\.memory_gib"):
        ask(spy, contract.make_pool(30), 4, np.random.default_rng(0))
    assert not spy.pools
    ask(spy, contract.make_pool(30, memory_bytes=4 << 30), 4, np.random.default_rng(0))
    assert spy.pools


def test_a_strategy_gives_one_reason_for_each_pick_or_none() -> None:
    with pytest.raises(StrategyError, match="gave 1 reasons for 2 items"):
        ask(Spy(reasons=("because",)), contract.make_pool(5), 2, np.random.default_rng(0))


def test_a_reason_says_what_the_model_thinks_and_what_the_strategy_adds() -> None:
    proba = np.array([[0.2, 0.41, 0.39], [0.05, 0.9, 0.05]])
    said = explain(proba, ("positive", "neutral", "negative"), ("stands for 212 similar items", ""))
    assert said == [
        "torn between neutral and negative, 0.41 to 0.39; stands for 212 similar items",
        "read as neutral with 0.90",
    ]
    assert explain(None, (), ("alone",)) == ["alone"]
    assert explain(np.ones((1, 1)), ("only",), ()) == ["the model knows only alone"]


def test_select_numbers_items_by_their_rows_and_names_the_space_by_all_of_them() -> None:
    points = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    labels = np.full(20, -1)
    labels[[2, 5]] = 1
    spaces = []
    for changed in (points, points.copy(), np.where(np.arange(20)[:, None] == 17, points + 1, points)):
        spy = Spy("embeddings")
        select(spy, 3, embeddings=changed.astype(np.float32), labels=labels, memory=Memory(), rng=0)
        spaces.append(spy.pools[0].space)
        assert spy.pools[0].ids is not None
        assert 5 not in spy.pools[0].ids.tolist()
        assert spy.pools[0].labeled_ids is not None
        assert spy.pools[0].labeled_ids.tolist() == [2, 5]
    assert spaces[0] == spaces[1]
    assert spaces[2] != spaces[0]


def test_the_next_round_of_a_pool_has_what_was_answered_among_the_labeled() -> None:
    pool = contract.make_pool(10)
    rest = contract.later(pool, np.array([3, 4]))
    assert rest.n_items == 8
    assert rest.ids is not None
    assert rest.labeled_ids is not None
    assert sorted([*rest.ids, *rest.labeled_ids]) == list(range(19))
    assert replace(rest, ids=None).ids is None


def _pool(spy: Any, features: Features) -> Pool:
    settings = Settings.model_validate({"query": {"committee": 3}})
    codes = np.arange(10) % 2
    terms = terms_of(settings, LearnerSpec("none", head="logistic", params={}), ("a", "b"), "here", seed=0)
    proba = np.full((30, 2), 0.5)
    return make_pool(
        spy,
        features,
        np.arange(10, 40),
        Known(np.arange(10), codes),
        terms,
        proba=proba,
        scores=np.zeros(30),
        learner=lambda: terms.fresh().fit(features.rows(np.arange(10)), codes),
        memory=Memory(),
        budget_left=None,
        rng=np.random.default_rng(1),
        previous=lambda: None,
        costs=lambda: np.arange(1.0, 31.0),
    )


def test_members_are_trained_on_their_own_draws() -> None:
    X = np.arange(8, dtype=np.float64)[:, None]
    y = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    terms = terms_of(Settings(), LearnerSpec("none", head="logistic", params={}), ("low", "high"), "", seed=0)
    [(slice(0, 2), np.array([[0.0], [7.0]]))]
    proba = committee_proba(
        terms.fresh,
        X,
        y,
        lambda: [(slice(0, 2), np.array([[0.0], [7.0]]))],
        2,
        n_members=4,
        rng=np.random.default_rng(0),
    )
    assert (proba[:, 0, 0] > 0.5).all()
    assert (proba[:, 1, 1] > 0.5).all()
    assert len(np.unique(proba[:, 0, 0])) > 1


def test_what_the_model_before_thought_is_found_by_position() -> None:
    before = Scored(np.array([2, 5, 9]), np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]], dtype=np.float32))
    found = before.of(np.array([5, 7, 9]), 3)
    assert found[0] == pytest.approx([0.6, 0.4, 0.0])
    assert np.isnan(found[1]).all()
    assert found[2] == pytest.approx([0.2, 0.8, 0.0])
    assert np.isnan(Scored(np.empty(0, dtype=np.intp), np.empty((0, 2))).of(np.array([1]), 2)).all()


def test_whole_numbers_that_name_columns_are_codes_and_other_labels_are_numbered() -> None:
    proba = np.full((5, 3), 1 / 3)
    for labels, expected in (([-1, 2, -1, 0, -1], [2, 0]), ([None, "b", None, "a", None], [1, 0])):
        spy = Spy("proba")
        select(spy, 2, proba=proba, labels=labels, rng=0)
        assert spy.pools[0].labeled_codes is not None
        assert spy.pools[0].labeled_codes.tolist() == expected
