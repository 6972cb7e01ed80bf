"""The study's arithmetic, on numbers one can check by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from querist import plugins

STUDY = Path(__file__).parents[2] / "benchmarks" / "study"


@pytest.fixture(autouse=True)
def _study_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(STUDY))


def curve(*repeats: list[float]) -> Any:
    from analysis import Curve

    return Curve(np.array([100.0, 200.0, 400.0]), np.array(repeats), tuple(range(len(repeats))))


def test_the_area_of_a_flat_curve_is_its_height() -> None:
    assert curve([0.7, 0.7, 0.7]).areas == pytest.approx([0.7])


def test_the_area_counts_a_step_by_its_labels() -> None:
    # 100 labels at a mean of 0.5, 200 at a mean of 1
    assert curve([0.0, 1.0, 1.0]).areas == pytest.approx([(100 * 0.5 + 200 * 1.0) / 300])


def test_holm_multiplies_the_smallest_by_all_and_the_largest_by_one() -> None:
    from analysis import holm

    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_a_strategy_is_judged_on_the_repeats_that_it_shares_with_random() -> None:
    from analysis import judge

    base = curve([0.5] * 3, [0.6] * 3, [0.7] * 3, [0.1] * 3)
    better = curve([0.6] * 3, [0.71] * 3, [0.79] * 3)
    found = judge({"random": base, "better": better})
    assert found["better"].pairs == 3
    assert found["better"].difference == pytest.approx(0.1)
    assert found["better"].area == pytest.approx(0.475 + 0.1)
    assert found["better"].sign == 1
    assert found["better"].loss == 0
    assert found["random"].loss == pytest.approx(100 * 0.1 / 0.575)


def test_a_cell_with_too_few_repeats_of_random_is_not_judged() -> None:
    from analysis import judge

    assert judge({"random": curve([0.5] * 3, [0.6] * 3), "other": curve([0.5] * 3, [0.6] * 3, [0.7] * 3)}) == {}


def test_noise_is_called_neither_better_nor_worse() -> None:
    from analysis import judge

    found = judge({"random": curve(*[[0.5] * 3] * 4), "noise": curve([0.4] * 3, [0.6] * 3, [0.55] * 3, [0.45] * 3)})
    assert found["noise"].sign == 0


def test_the_best_single_strategy_leaves_out_those_that_choose_between_others() -> None:
    from analysis import judge

    cell = {name: curve([at] * 3, [at] * 3, [at] * 3) for name, at in (("random", 0.4), ("auto", 0.6), ("margin", 0.5))}
    assert judge(cell, among_best={"random", "margin"})["auto"].loss == pytest.approx(-20)


def test_a_strategy_played_on_the_hard_repeats_only_is_not_judged_by_them() -> None:
    from analysis import levels

    random = {0: 0.9, 1: 0.9, 2: 0.1, 3: 0.1}
    hard = {2: 0.2, 3: 0.2}  # better than all by 0.1
    found = levels({"random": random, "steady": {at: value + 0.05 for at, value in random.items()}, "hard": hard})
    assert found == pytest.approx({"random": 0.5, "steady": 0.55, "hard": 0.6})


def test_what_is_lost_to_another_is_counted_on_the_repeats_of_both() -> None:
    from analysis import lost

    own, best = curve([0.45] * 3, [0.5] * 3, [0.9] * 3), curve([0.5] * 3, [0.5] * 3)
    assert lost(own, best) == pytest.approx((5.0, 5.0, 2))


def test_the_fair_best_is_chosen_on_the_other_repeats() -> None:
    from analysis import chosen_by_others

    # Each of the first two is best on one repeat by luck; the others' repeats choose the third or the wrong one.
    assert chosen_by_others(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.6, 0.6, 0.6]])) == pytest.approx(0.6)
    assert chosen_by_others(np.array([[0.9, 0.1], [0.1, 0.9]])) == pytest.approx(0.1)


def test_the_last_line_of_a_run_counts_and_half_a_line_none(tmp_path: Path) -> None:
    from analysis import read_runs

    run = {"set": "cr", "features": "tfidf", "regime": "25", "strategy": "random", "repeat": 0}
    lines = [json.dumps({**run, "wall": 1}), json.dumps({**run, "wall": 2}), json.dumps({**run, "wall": 3})[:-5]]
    (tmp_path / "runs.jsonl").write_text("\n".join(lines))
    assert [found["wall"] for found in read_runs([tmp_path / "runs.jsonl"])] == [2]


def test_a_logistic_regression_in_the_space_of_its_items_is_the_same_one() -> None:
    from sklearn.linear_model import LogisticRegression
    from spanned import SpannedLogistic

    rng = np.random.default_rng(0)
    X = sp.random(40, 300, density=0.1, random_state=0, format="csr", dtype=np.float32)
    X = sp.vstack([X, X[:5]], format="csr")  # some items repeat
    y = rng.integers(3, size=45)
    given = {"C": 10.0, "max_iter": 1000, "tol": 1e-8}
    expected, found = LogisticRegression(**given).fit(X, y), SpannedLogistic(**given).fit(X, y)
    assert found.coef_.shape == expected.coef_.shape
    np.testing.assert_allclose(found.predict_proba(X), expected.predict_proba(X), atol=1e-3)


def test_a_repeat_whose_seed_set_shows_one_class_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    import cells
    from sets import Encoded

    codes = np.r_[np.ones(6, np.int64), np.zeros(294, np.int64)]
    X = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    tiny = Encoded(X, X, codes, np.arange(300) >= 200, ("no", "yes"))
    monkeypatch.setattr(cells, "encoded", lambda name, features: tiny)
    monkeypatch.setattr(plugins, "BUILT_IN", {**plugins.BUILT_IN, "heads": dict(plugins.BUILT_IN["heads"])})
    task = cells.load_cell("tiny", "table", "25")
    repeats = cells.repeats_of(task, 5)
    assert len(repeats) == 5
    assert repeats != list(range(5))
    run = cells.run_cell(task, "random", repeats[0])
    assert run["labels"] == [25, 50, 75, 100, 125, 150, 175, 200]
    assert set(run["metrics"]) == {"accuracy", "macro_f1"}
