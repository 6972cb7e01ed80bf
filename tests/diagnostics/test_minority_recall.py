"""Whether active learning leaves rare classes behind."""

from __future__ import annotations

import numpy as np

from querist.stages.evaluation.minority import Curve, fell, left_behind, minority, unseen


def test_a_class_below_half_of_the_mean_share_is_rare() -> None:
    assert minority(np.array([70, 20, 10, 0])).tolist() == [False, False, True, False]  # the mean is 25


def test_two_equal_classes_have_no_minority() -> None:
    assert not minority(np.array([50, 50])).any()
    assert not minority(np.zeros(3, dtype=np.int64)).any()


def test_a_fall_from_ninety_to_fifty_of_a_hundred_is_seen() -> None:
    assert fell(np.array([90.0, 70.0, 50.0]), np.full(3, 100.0)) == 0


def test_a_fall_from_the_best_round_is_seen_where_the_first_was_no_better() -> None:
    assert fell(np.array([50.0, 90.0, 50.0]), np.full(3, 100.0)) == 1


def test_a_fall_by_one_item_of_ten_is_noise() -> None:
    assert fell(np.array([8.0, 9.0, 7.0]), np.full(3, 10.0)) is None


def test_a_rise_is_no_fall() -> None:
    assert fell(np.array([10.0, 90.0]), np.full(2, 100.0)) is None


def test_one_round_or_no_item_says_nothing() -> None:
    assert fell(np.array([9.0]), np.array([10.0])) is None
    assert fell(np.array([9.0, 0.0]), np.array([10.0, 0.0])) is None
    assert fell(np.array([0.0, 5.0]), np.array([0.0, 10.0])) is None


def test_a_steady_recall_is_called_a_fall_at_most_one_time_in_twenty() -> None:
    rng = np.random.default_rng(0)
    alarms = [fell(rng.binomial(40, 0.7, 30).astype(float), np.full(30, 40.0)) is not None for _ in range(200)]
    assert np.mean(alarms) <= 0.05


def curve(*recall: float) -> Curve:
    return Curve("spam", np.arange(len(recall)), np.array(recall), np.full(len(recall), 100.0))


def test_the_warning_names_the_class_the_rounds_and_the_recall() -> None:
    (said,) = left_behind([curve(0.9, 0.7, 0.5)], {})
    assert said.startswith("the recall of spam fell from 0.90 in round 0 to 0.50 in round 2")


def test_a_fall_alone_is_not_blamed_on_active_learning() -> None:
    """A balanced seed set lets the model expect half of all items to be spam; each random draw unteaches that."""
    spam, cut = np.random.default_rng(0).normal(1.2, size=400), np.log((1 - 0.1) / 0.1) / 1.2
    decides = np.array([0.0, cut / 2, cut]) + 0.6  # of a model that knows both densities, as its prior falls
    (said,) = left_behind([Curve("spam", np.arange(3), (spam > decides[:, None]).mean(axis=1), np.full(3, 400.0))], {})
    assert "hurts" not in said
    assert "only a curve of random sampling tells" in said


def test_a_fall_on_holdout_items_that_come_in_copies_is_told_by_the_number_of_groups() -> None:
    """Eighteen of thirty against twenty-eight is beyond chance; ten copies of three are not."""
    thirty, three = (Curve("spam", np.arange(2), np.array([28, 16]) / 30, np.full(2, n)) for n in (30.0, 3.0))
    assert left_behind([thirty], {}) != []
    assert left_behind([three], {}) == []


def test_worse_than_random_in_a_simulation_is_a_warning() -> None:
    worse = {"difference": -0.1, "low": -0.15, "high": -0.05, "p_holm": 0.004}
    (said,) = left_behind([curve(0.5, 0.6)], {"spam": worse})
    assert "its recall stays 0.10 below that of random sampling (0.05 to 0.15)" in said
    assert left_behind([curve(0.5, 0.6)], {"spam": {**worse, "difference": 0.1}}) == []
    assert left_behind([curve(0.5, 0.6)], {"spam": {**worse, "p_holm": 0.06}}) == []
    assert left_behind([curve(0.5, 0.6)], {"spam": {**worse, "p_holm": None}}) == []


def test_a_class_that_the_holdout_lacks_is_named() -> None:
    (said,) = unseen(["ham", "spam"], np.array([9, 0]))
    assert said.startswith("the holdout has no item of spam,")
    assert unseen(["ham", "spam"], np.array([0, 0])) == []
