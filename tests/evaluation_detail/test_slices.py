from __future__ import annotations

import numpy as np
import pytest

from querist.stages.evaluation.slices import slices

CLASSES = ["a", "b"]


def answers(n: int, right: np.ndarray | float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two classes at random, each predicted right with this probability."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    predicted = np.where(rng.random(n) < right, y, 1 - y)
    return y, np.where(np.eye(2)[predicted] == 1, 0.9, 0.1)


def look(name: str, y: np.ndarray, proba: np.ndarray, columns: dict, *, seed: int = 0, groups=None):
    rng = np.random.default_rng(seed)
    return slices(name, y, proba, CLASSES, columns, confidence=0.95, rng=rng, groups=groups)


def test_a_slice_has_the_metric_of_its_items() -> None:
    y, proba = np.zeros(60, dtype=int), np.tile([0.9, 0.1], (60, 1))
    proba[:10] = [0.1, 0.9]
    rows, left_out = look("accuracy", y, proba, {"shop": ["north"] * 40 + ["south"] * 20})
    assert [(r["value"], r["n"], r["metric_value"]) for r in rows] == [("north", 40, 0.75), ("south", 20, 1.0)]
    assert all(r["low"] <= r["metric_value"] <= r["high"] for r in rows)
    assert left_out == []


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "recall:a", "log_loss"])
@pytest.mark.parametrize("grouped", [False, True])
def test_the_slice_that_is_worse_is_found_and_the_others_are_not(metric: str, grouped: bool) -> None:
    values = np.array([f"v{i % 20}" for i in range(3000)])
    y, proba = answers(3000, np.where(values == "v3", 0.6, 0.9))
    groups = np.arange(3000) // 2 if grouped else None
    rows, _ = look(metric, y, proba, {"shop": values.tolist()}, groups=groups)
    assert [r["value"] for r in rows if r["different"]] == ["v3"]


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "log_loss"])
def test_of_slices_that_do_not_differ_any_is_marked_at_most_5_times_of_100(metric: str) -> None:
    marked = 0
    for seed in range(200):
        y, proba = answers(300, 0.85, seed)
        rows, _ = look(metric, y, proba, {"shop": [f"v{i % 5}" for i in range(300)]}, seed=seed)
        marked += any(r["different"] for r in rows)
    assert marked / 200 < 0.05 + 0.045  # three standard errors of 200 trials


def test_of_equal_slices_of_many_classes_in_groups_any_is_marked_at_most_5_times_of_100() -> None:
    """Ten classes of thirty items, every item twice: macro F1 of a part is far from normal."""
    marked, names = 0, [f"c{i}" for i in range(10)]
    for seed in range(60):
        rng = np.random.default_rng(seed)
        y = rng.integers(10, size=300)
        logits = rng.normal(size=(300, 10)) + 2.2 * np.eye(10)[y]
        proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        groups = np.arange(300) // 2
        columns = {"shop": [f"v{i % 5}" for i in groups]}
        rows, _ = slices("macro_f1", y, proba, names, columns, confidence=0.95, rng=rng, groups=groups)
        marked += any(row["different"] for row in rows)
    assert marked / 60 < 0.05 + 0.085  # three standard errors of 60 trials


def test_few_items_of_a_class_say_nothing_of_an_area_under_a_curve() -> None:
    rng = np.random.default_rng(0)
    for rare, told in ((18, False), (40, True)):
        y = np.r_[np.ones(rare, dtype=int), np.zeros(300 - rare, dtype=int)]
        score = rng.random(300)
        rows, _ = look("roc_auc", y, np.c_[1 - score, score], {"shop": [f"v{i % 2}" for i in range(300)]})
        assert [row["p"] is not None for row in rows] == [told, told]
        assert all(row["metric_value"] > 0 for row in rows)


def test_copies_taken_for_items_would_make_equal_slices_differ() -> None:
    marked = {True: 0, False: 0}
    for seed in range(60):
        y, proba = (np.repeat(values, 5, axis=0) for values in answers(60, 0.8, seed))
        groups = np.arange(300) // 5
        for known in marked:
            rows, _ = look(
                "accuracy", y, proba, {"shop": [f"v{g % 3}" for g in groups]}, groups=groups if known else None
            )
            marked[known] += any(row["different"] for row in rows)
    assert marked[True] / 60 < 0.05 + 0.085
    assert marked[False] / 60 > 0.25


def test_a_value_named_like_the_others_counts_among_them() -> None:
    y, proba = answers(100, 0.9)
    rows, _ = look("accuracy", y, proba, {"shop": ["big"] * 50 + ["(others)"] * 40 + ["rare"] * 10})
    assert [(r["value"], r["n"]) for r in rows] == [("big", 50), ("(others)", 50)]


def test_rare_values_count_together_and_missing_ones_are_a_value() -> None:
    y, proba = answers(100, 0.9)
    rows, _ = look("accuracy", y, proba, {"shop": ["big"] * 50 + [None] * 15 + [""] * 10 + ["x", "y", "z"] * 8 + ["w"]})
    assert [(r["value"], r["n"]) for r in rows] == [("big", 50), ("(empty)", 25), ("(others)", 25)]


def test_columns_with_too_many_values_or_nothing_to_compare_are_left_out_and_named() -> None:
    y, proba = answers(800, 0.9)
    columns = {
        "id": [f"id{i}" for i in range(800)],
        "one": ["same"] * 800,
        "many": [f"v{i % 40}" for i in range(800)],
        "month": [f"m{i % 2}" for i in range(800)],
    }
    rows, left_out = look("accuracy", y, proba, columns)
    assert {r["column"] for r in rows} == {"month"}
    assert [c["column"] for c in left_out] == ["id", "one", "many"]
    assert "40 values" in left_out[2]["reason"]
    assert "fewer than two" in left_out[0]["reason"]


def test_holm_counts_the_slices_of_all_columns() -> None:
    y, proba = answers(400, 0.8, seed=2)
    column = [f"v{i % 4}" for i in range(400)]
    alone, _ = look("accuracy", y, proba, {"a": column})
    twice, _ = look("accuracy", y, proba, {"a": column, "b": column})
    smallest = min(r["p"] for r in alone)
    assert min(r["p"] for r in twice) >= min(smallest * 1.2, 1.0)


def test_a_slice_without_the_class_says_nothing_of_it() -> None:
    y = np.array([0] * 30 + [1] * 30)
    proba = np.where(np.eye(2)[y] == 1, 0.9, 0.1)
    rows, _ = look("roc_auc", y, proba, {"shop": ["a"] * 30 + ["b"] * 30})
    assert [r["p"] for r in rows] == [None, None]
    assert not any(r["different"] for r in rows)
