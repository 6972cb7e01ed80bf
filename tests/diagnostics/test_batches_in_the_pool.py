"""Whether the items of a batch repeat each other, and how queried items lie in the pool."""

from __future__ import annotations

import numpy as np
import pytest

from querist.stages.evaluation.redundancy import meaning, nearest, repeats, told_apart


def test_nearest_is_the_median_cosine_distance_to_another_item() -> None:
    rows = np.array([[1, 0], [2, 0], [0, 3], [-1, 0]], dtype=np.float32)
    assert nearest(rows) == pytest.approx(0.5)  # 0, 0, 1, 1


def test_twins_are_at_no_distance() -> None:
    assert nearest(np.ones((4, 3), dtype=np.float32)) == pytest.approx(0.0, abs=1e-6)


def test_an_item_without_direction_is_near_nobody() -> None:
    assert nearest(np.array([[0, 0], [1, 0]], dtype=np.float32)) == 1.0


def test_one_item_has_no_neighbour() -> None:
    assert np.isnan(nearest(np.ones((1, 3), dtype=np.float32)))


def row(number: int, near: float) -> dict[str, float]:
    return {"round": number, "nearest": near, "random_nearest": 0.4, "random_least": 0.3}


def test_batches_that_repeat_themselves_are_named() -> None:
    (said,) = repeats([row(1, 0.4), row(2, 0.1), row(3, 0.12), row(4, 0.5)])
    assert "in round 3 an item's nearest neighbour in its batch is at a distance of 0.120" in said


def test_one_close_batch_of_three_is_no_habit() -> None:
    assert repeats([row(1, 0.1), row(2, 0.4), row(3, 0.4)]) == []
    assert repeats([]) == []


def test_what_cannot_be_told_apart_has_half_the_area() -> None:
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(2, 300, 5)).astype(np.float32)
    found = told_apart(*draws, confidence=0.95, rng=rng)
    assert found is not None
    auc, low, high = found
    assert low < 0.5 < high
    assert "look like a random draw" in meaning(auc, low, high)


def test_shifted_items_have_the_area_of_their_shift() -> None:
    """Two normals one standard deviation apart: the area is P(N(0, 2) < 1) = 0.760."""
    rng = np.random.default_rng(1)
    queried, others = rng.normal(size=(2, 1500, 3)).astype(np.float32)
    queried[:, 0] += 1
    found = told_apart(queried, others, confidence=0.95, rng=rng)
    assert found is not None
    assert found[0] == pytest.approx(0.760, abs=0.03)
    assert found[1] < 0.760 < found[2]
    assert "they differ clearly" in meaning(0.9, 0.88, 0.92)
    assert "they differ somewhat" in meaning(0.65, 0.6, 0.7)


def test_few_items_say_nothing() -> None:
    rng = np.random.default_rng(0)
    few = rng.normal(size=(19, 2)).astype(np.float32)
    assert told_apart(few, rng.normal(size=(500, 2)).astype(np.float32), confidence=0.95, rng=rng) is None
