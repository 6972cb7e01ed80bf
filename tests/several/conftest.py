"""A small pool of news items with several topics each, some with none, whose topics show in their words."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from querist.pipeline.project import Project

TOPICS = {
    "politics": (0.35, ["vote", "law", "party", "minister"]),
    "economy": (0.3, ["bank", "price", "trade", "market"]),
    "sport": (0.25, ["goal", "match", "team", "coach"]),
    "rare": (0.06, ["zebra", "okapi"]),
}
OTHER = [f"word{i}" for i in range(40)]
SETTINGS = """\
[project]
name = "news"
seed = 3
[objective]
metric = "macro_f1"
[data]
id = "id"
text = ["text"]
labels = "several"
{data}
[splits]
test = 0.3
validation = 0.05
[seed_set]
size = 20
[learner]
name = "tfidf-logistic"
calibration = "none"
[learner.encoder_params]
chars = []
[query]
batch_size = 20
[evaluation]
metrics = ["accuracy", "micro_f1", "samples_f1", "hamming_loss", "log_loss", "average_precision"]
resamples = 100
{more}
"""


def topics_in(text: str) -> list[str]:
    return [topic for topic, (_, words) in TOPICS.items() if set(text.split()) & set(words)]


def write_news(path: Path, n_items: int = 320) -> Path:
    rng = np.random.default_rng(5)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "topics", "paper"])
        for i in range(n_items):
            has = [topic for topic, (share, _) in TOPICS.items() if rng.random() < share]
            words = [word for topic in has for word in rng.choice(TOPICS[topic][1], 2)]
            text = " ".join([*words, *rng.choice(OTHER, 4), str(i)])
            writer.writerow([f"n{i}", text, "; ".join(has) or "(none)", f"p{i % 2}"])
    return path


@pytest.fixture(scope="session")
def news(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_news(tmp_path_factory.mktemp("news") / "news.csv")


@pytest.fixture
def make(tmp_path: Path, clock: Callable[[], datetime], news: Path) -> Callable[..., Project]:
    """A project over the news; `labeled` says whether the topics came with it."""

    def made(name: str = "p", *, labeled: bool = True, more: str = "") -> Project:
        folder = tmp_path / name
        folder.mkdir()
        data = 'label = "topics"\ncontext = ["paper"]' if labeled else f"classes = {sorted(TOPICS)}"
        (folder / "querist.toml").write_text(SETTINGS.format(data=data, more=more), encoding="utf-8")
        project = Project(folder, clock=clock)
        project.ingest(news)
        return project

    return made


@pytest.fixture(scope="session")
def topics() -> Callable[[str], list[str]]:
    return topics_in
