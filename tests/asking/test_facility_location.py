"""Facility location: the lazy greedy against the plain one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from querist.stages.query_strategy import facility_location as under_test
from querist.stages.query_strategy.facility_location import facility_location


@given(
    n_items=st.integers(1, 300),
    n_dims=st.integers(1, 5),
    radius=st.floats(0.05, 20),
    known=st.booleans(),
    seed=st.integers(0, 2**16),
    data=st.data(),
)
def test_each_pick_gains_as_much_as_the_best_would(
    n_items: int, n_dims: int, radius: float, known: bool, seed: int, data: st.DataObject
) -> None:
    k = data.draw(st.integers(0, min(n_items, 40)))
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n_items, n_dims)).astype(np.float32)
    covered = rng.random(n_items, dtype=np.float32) if known else np.zeros(n_items, dtype=np.float32)
    picked = facility_location(rows, covered, radius**2, k)
    assert len(set(picked.tolist())) == k
    alike = _likeness(rows, radius)
    for place, item in enumerate(picked):
        gains = np.maximum(alike - np.maximum(covered, alike[picked[:place]].max(axis=0, initial=0)), 0).sum(axis=1)
        gains[picked[:place]] = -1
        assert gains[item] >= gains.max() - 1e-5 * n_items


def test_of_equal_gains_the_first_row_has_its_own() -> None:
    rows = np.repeat(np.eye(3, dtype=np.float32), 2, axis=0)
    assert facility_location(rows, np.zeros(6, dtype=np.float32), 0.0, 5).tolist() == [0, 2, 4, 1, 3]


def test_rows_that_are_all_known_come_in_their_order() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    assert facility_location(rows, np.ones(50, dtype=np.float32), 1.0, 4).tolist() == [0, 1, 2, 3]


def test_groups_share_the_batch_and_know_of_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six places with ten copies each, dealt into three groups: each place is asked once, as without groups."""
    monkeypatch.setattr(under_test, "GROUP", 20)
    rows = np.repeat(10 * np.eye(6, dtype=np.float32), 10, axis=0)
    picked = facility_location(rows, np.zeros(60, dtype=np.float32), 1.0, 6)
    assert sorted((picked // 10).tolist()) == list(range(6))
    assert np.bincount(picked % 3).tolist() == [2, 2, 2]


@pytest.mark.parametrize("group", [1, 3, 7])
def test_groups_give_as_many_as_asked(group: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "GROUP", group)
    for n_items in range(1, 20):
        rows = np.random.default_rng(n_items).normal(size=(n_items, 2)).astype(np.float32)
        for k in range(n_items + 1):
            picked = facility_location(rows, np.zeros(n_items, dtype=np.float32), 1.0, k)
            assert len(picked) == len(set(picked.tolist())) == k


def _likeness(rows: NDArray[np.float32], radius: float) -> NDArray[np.float64]:
    far = rows[:, None].astype(np.float64) - rows[None]
    alike: NDArray[np.float64] = np.exp(-(far**2).sum(axis=2) / (2 * radius**2))
    return alike
