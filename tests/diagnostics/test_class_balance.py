"""Whether the strategy asks for some classes far more, or far less, than they occur."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.proportion import wilson
from querist.stages.evaluation.balance import far_off, skew


def test_a_class_asked_four_times_its_share_is_far_off() -> None:
    times, far = far_off(np.array([60, 40]), np.array([900, 100]))
    assert times == pytest.approx([2 / 3, 4.0])
    assert far.tolist() == [False, True]


def test_four_times_of_few_queries_is_chance() -> None:
    times, far = far_off(np.array([3, 2]), np.array([90, 10]))
    assert times[1] == pytest.approx(4.0)
    assert not far.any()


def test_one_and_a_half_times_of_many_queries_is_not_worth_a_word() -> None:
    assert skew(["ham", "spam"], np.array([8500, 1500]), np.array([9000, 1000]), of="the holdout") == []


def test_the_sentences_name_classes_and_shares() -> None:
    more, less = skew(["ham", "spam", "news"], np.array([20, 90, 90]), np.array([500, 50, 450]), of="the holdout")
    assert more.startswith("asked far more than its share: spam 45% of the queries, 5% of the holdout.")
    assert less.startswith("asked far less than its share: ham 10% of the queries, 50% of the holdout.")


def test_of_many_classes_five_are_named() -> None:
    known, asked = np.full(16, 100), np.array([400] * 6 + [10] * 10)
    more, less = skew([f"c{i}" for i in range(16)], asked, known, of="the pool")
    assert "c4 16% of the queries, 6% of the pool; and 1 more" in more
    assert "; and 5 more" in less


def test_without_queries_nothing_is_said() -> None:
    assert skew(["a", "b"], np.zeros(2), np.array([5.0, 5.0]), of="the pool") == []


def test_a_class_that_is_nowhere_is_not_far_off() -> None:
    times, far = far_off(np.array([50, 50, 0]), np.array([50, 50, 0]))
    assert np.isnan(times[2])
    assert not far.any()


def test_equal_shares_are_called_far_off_at_most_one_time_in_twenty() -> None:
    rng = np.random.default_rng(0)
    shares = [0.02, 0.08, 0.3, 0.6]
    alarms = [
        bool(skew("abcd", rng.multinomial(150, shares), rng.multinomial(400, shares), of="the holdout"))
        for _ in range(400)
    ]
    assert np.mean(alarms) <= 0.05


def test_wilson_of_five_in_ten_is_as_in_the_books() -> None:
    low, high = wilson(0.5, 10)
    assert (float(low), float(high)) == pytest.approx((0.2366, 0.7634), abs=1e-4)


def test_wilson_of_nothing_says_nothing() -> None:
    low, high = wilson([0.0, 1.0], [0, 4])
    assert (low[0], high[0]) == pytest.approx((0.0, 1.0))
    assert high[1] == pytest.approx(1.0)
    assert low[1] == pytest.approx(0.5101, abs=1e-4)
