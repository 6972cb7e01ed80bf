"""How right one answer is, told from how far people agree."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from querist.stages.human_labeling.ceiling import Ceiling, Holdout, ceiling, concentration, said


def answers(
    right: list[float], n_items: int, n_classes: int, rng: np.random.Generator, *, mixed_up: bool = False
) -> NDArray[np.int64]:
    """(n_items, n_classes) answers of people who are `right` that often; wrong ones fall anywhere, or on the next
    class."""
    truth, given = rng.integers(n_classes, size=n_items), np.zeros((n_items, n_classes), dtype=np.int64)
    for share in right:
        off = np.ones(n_items, dtype=np.int64) if mixed_up else rng.integers(1, n_classes, n_items)
        said_ = np.where(rng.random(n_items) < share, truth, (truth + off) % n_classes)
        given[np.arange(n_items), said_] += 1
    return given


def test_two_people_who_agree_on_eighty_two_of_a_hundred_are_right_nine_times_of_ten() -> None:
    """With two classes A = p^2 + (1 - p)^2, and 0.81 + 0.01 = 0.82."""
    given = np.array([[2, 0]] * 41 + [[0, 2]] * 41 + [[1, 1]] * 18)
    found = ceiling(given)
    assert found is not None
    assert found.agreed == pytest.approx(0.82)
    assert found.value == pytest.approx(0.9)
    assert found.low < 0.9 < found.high


@pytest.mark.parametrize(
    ("right", "n_classes", "mixed_up"),
    [
        ([0.9, 0.9], 2, False),
        ([0.8, 0.8], 3, False),
        ([0.85, 0.85, 0.85], 10, False),
        ([0.95, 0.75], 5, False),
        ([0.9, 0.8, 0.7], 4, False),
        ([0.8, 0.8, 0.8], 6, True),
    ],
)
def test_the_ceiling_is_the_mean_accuracy_of_people_to_within_two_hundredths(
    right: list[float], n_classes: int, mixed_up: bool
) -> None:
    rng = np.random.default_rng(0)
    found = [ceiling(answers(right, 500, n_classes, rng, mixed_up=mixed_up)) for _ in range(20)]
    assert np.mean([c.value for c in found if c]) == pytest.approx(np.mean(right), abs=0.02)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    found = [ceiling(answers([0.85, 0.85, 0.85], 150, 4, rng)) for _ in range(300)]
    held = np.mean([c.low <= 0.85 <= c.high for c in found if c])
    assert 0.92 <= held <= 0.99


def test_a_perfect_model_measures_the_ceiling_against_one_persons_labels() -> None:
    rng = np.random.default_rng(2)
    limit = ceiling(answers([0.8, 0.8], 4000, 3, rng))
    truth = rng.integers(3, size=4000)
    labels = np.where(rng.random(4000) < 0.8, truth, (truth + rng.integers(1, 3, 4000)) % 3)
    assert limit is not None
    assert (truth == labels).mean() == pytest.approx(limit.value, abs=0.02)


def test_full_agreement_leaves_room_below() -> None:
    found = ceiling(np.array([[2, 0]] * 30))
    assert found is not None
    assert found.value == 1.0
    assert 0.9 < found.low < 1.0


def test_people_who_guess_are_at_chance() -> None:
    found = ceiling(np.array([[1, 1]] * 50))
    assert found is not None
    assert found.value == pytest.approx(0.5)


def test_few_shared_items_say_nothing() -> None:
    assert ceiling(np.array([[2, 0]] * 19 + [[1, 0]] * 100)) is None
    assert ceiling(np.zeros((0, 3), dtype=np.int64)) is None
    assert ceiling(np.full((30, 1), 2)) is None


def test_wrong_answers_that_fall_anywhere_are_rarely_the_same() -> None:
    rng = np.random.default_rng(3)
    anywhere = answers([0.8, 0.8], 5000, 5, rng)
    assert concentration(anywhere) == pytest.approx(1 / 4, abs=0.01)
    assert concentration(np.array([[2, 0, 0]])) == 1 / 2


@pytest.mark.parametrize(("name", "right"), [("dog_breeds", 0.696), ("movie_sentences", 0.894)])
def test_on_crowds_who_err_together_it_lies_above_the_truth_and_not_far(
    data_folder: Path, name: str, right: float
) -> None:
    folder = data_folder / "crowd-workers"
    if not folder.is_dir():
        pytest.skip("QUERIST_DATA has no crowd-workers")
    with gzip.open(folder / f"{name}_annotations.csv.gz", "rt", encoding="utf-8") as file:
        answers = [(row["item"], row["label"]) for row in csv.DictReader(file)]
    items, labels = ({key: n for n, key in enumerate(sorted(set(keys)))} for keys in zip(*answers, strict=True))
    given = np.zeros((len(items), len(labels)), dtype=np.int64)
    for item, label in answers:
        given[items[item], labels[label]] += 1
    found = ceiling(given)
    assert found is not None
    assert right < found.value < right + 0.1


LIMIT = Ceiling(value=0.9, low=0.85, high=0.94, agreed=0.82, n_items=100)


def test_the_sentence_says_what_it_means_for_the_model() -> None:
    below = said(LIMIT, at_random=True, holdout="single", accuracy=0.93)
    assert below.startswith("two people agree on 82% of 100 items, so one answer is right about 90% of the time")
    assert "a perfect model measures about that" in below
    assert "has reached it" not in below
    assert "the model has reached it (95%)" in said(LIMIT, at_random=True, holdout="single", accuracy=0.95)


@pytest.mark.parametrize(
    ("at_random", "holdout", "instead"),
    [
        (False, "single", "the items asked are harder than those of the holdout"),
        (True, "resolved", "a model may measure more than that"),
        (True, "given", "came with the data"),
    ],
)
def test_of_other_items_or_labels_it_is_no_ceiling(at_random: bool, holdout: Holdout, instead: str) -> None:
    text = said(LIMIT, at_random=at_random, holdout=holdout, accuracy=0.99)
    assert instead in text
    assert "has reached it" not in text
    assert "perfect" not in text


def test_hard_items_and_labels_of_three_people_are_why() -> None:
    """On the hard eight of ten that a strategy asks, people are right 70 times of 100, else 98 times; and what three
    people who are right 85 times say together is right 94 times."""
    rng = np.random.default_rng(4)
    asked = ceiling(np.concatenate([answers([0.7, 0.7], 800, 2, rng), answers([0.98, 0.98], 200, 2, rng)]))
    assert asked is not None
    assert asked.high < 0.3 * 0.7 + 0.7 * 0.98
    three = answers([0.85] * 3, 4000, 2, rng)
    together = ceiling(three)
    assert together is not None
    assert together.high < 0.85**3 + 3 * 0.85**2 * 0.15


def test_one_who_guesses_makes_all_look_worse() -> None:
    found = ceiling(answers([0.95, 0.95, 1 / 3], 2000, 3, np.random.default_rng(5)))
    assert found is not None
    assert found.value < np.mean([0.95, 0.95, 1 / 3])
