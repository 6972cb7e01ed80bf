"""Resolved labels beside the truth, on real answers of crowd workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import crowd

    return crowd


def test_dawid_skene_beats_the_majority_on_dog_breeds(data_folder: Path, crowd: Any) -> None:
    found = crowd.compare(crowd.read(data_folder, "dog_breeds"), 10, repeats=3)
    gain, half = found.gain("dawid_skene")
    assert gain > half > 0
    assert found.accuracy("majority") == pytest.approx(0.822, abs=0.005)
    assert found.accuracy("dawid_skene") == pytest.approx(0.840, abs=0.005)
    assert found.gain("weighted")[0] > 0


def test_with_two_answers_the_more_reliable_one_wins_more_often(data_folder: Path, crowd: Any) -> None:
    answers = crowd.read(data_folder, "movie_sentences")
    found = crowd.compare(answers, 2, repeats=3)
    assert found.gain("dawid_skene")[0] > 0
    assert found.gain("weighted")[0] > 0
    many = crowd.compare(answers, 20, repeats=1)
    assert many.accuracy("dawid_skene") >= many.accuracy("majority"), "no less, with twenty answers hardly more"


def test_it_learns_which_photos_people_confuse_even_without_knowing_the_people(data_folder: Path, crowd: Any) -> None:
    found = crowd.compare(crowd.read(data_folder, "cifar10n"), 3, repeats=1, methods=("majority", "dawid_skene"))
    gain, half = found.gain("dawid_skene")
    assert gain > half > 0


def test_alpha_of_the_review_snippets_is_that_of_the_package(data_folder: Path, crowd: Any) -> None:
    krippendorff = pytest.importorskip("krippendorff", reason="the package krippendorff is not installed")
    import numpy as np

    from querist.stages.human_labeling.agreement import fleiss_kappa, krippendorff_alpha
    from querist.stages.human_labeling.resolve import Vote, sort_out, tabulate

    by_item = crowd.read(data_folder, "amazon_snippets").by_item
    votes = [Vote(item, who, label, "") for item, given in by_item.items() for who, label in given]
    codes = tabulate(sort_out(votes)[0]).codes
    theirs = krippendorff.alpha(np.where(codes >= 0, codes, np.nan).T, level_of_measurement="nominal")
    assert krippendorff_alpha(codes, 3) == pytest.approx(theirs, abs=1e-9)
    assert fleiss_kappa(codes, 3) == pytest.approx(theirs, abs=1e-4), "with many answers they are nearly the same"
