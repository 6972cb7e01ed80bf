"""A small project with a model, and traffic that has drifted or has not."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from querist.pipeline.project import Project

NEW_GOOD = ["brilliant", "neat", "solid", "quick", "handy", "sturdy"]
NEW_BAD = ["broken", "slow", "flimsy", "noisy", "faulty", "leaky"]
NEW_OTHER = [f"gadget{i}" for i in range(60)]


def write_drifted(path: Path, n_items: int, *, first: int, labeled: bool = True, seed: int = 0) -> Path:
    """Reviews of other things in other words, whose class still shows in them."""
    rng = np.random.default_rng([seed, first])
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "label", "product"])
        for i in range(first, first + n_items):
            positive = rng.random() < 0.3
            words = [*rng.choice(NEW_GOOD if positive else NEW_BAD, 2), *rng.choice(NEW_OTHER, 5)]
            writer.writerow(
                [f"d{i}", f"{' '.join(words)} {i}", ("pos" if positive else "neg") if labeled else "", "p1"]
            )
    return path


@pytest.fixture
def drifted(tmp_path: Path) -> Path:
    return write_drifted(tmp_path / "drifted.csv", 240, first=0)


@pytest.fixture
def unlabeled(tmp_path: Path) -> Path:
    """The same items before anybody has labeled them."""
    return write_drifted(tmp_path / "unlabeled.csv", 240, first=0, labeled=False)


@pytest.fixture
def make_drifted() -> Callable[..., Path]:
    return write_drifted


@pytest.fixture
def monitored(
    folder: Path, make_reviews: Callable[..., Path], clock: Callable[[], datetime], grown: Callable[..., Project]
) -> Project:
    """900 reviews, a model of 40 labels, windows of 100 items."""

    def make() -> Project:
        with (folder / "querist.toml").open("a", encoding="utf-8") as file:
            file.write("\n[monitoring]\nwindow = 100\ndraws = 400\nrandom_share = 0.3\n")
        project = Project(folder, clock=clock)
        project.ingest(make_reviews(folder / "reviews.csv", 900))
        project.run(rounds=2, oracle="label")
        return project

    return grown("monitored", folder, make, clock)
