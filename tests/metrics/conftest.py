"""A project of which every metric is known: people agree and disagree, a budget is half spent, traffic has drifted."""

from __future__ import annotations

import csv
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from querist.pipeline.monitoring.check import check
from querist.pipeline.project import Project

pytest.importorskip("prometheus_client", reason="the extra web is not installed")

SETTINGS = """\
[project]
name = "reviews"
seed = 7

[objective]
metric = "accuracy"
goal = 0.95
budget_labels = 100
budget_money = 10.0
cost_per_label = 0.05
budget_hours = 1.0
seconds_per_label = 6.0

[data]
id = "id"
text = ["text"]
classes = ["neg", "pos"]
context = ["product"]

[splits]
test = 0.2

[seed_set]
size = 20

[learner]
name = "tfidf-logistic"
[learner.encoder_params]
chars = []

[query]
batch_size = 10

[evaluation]
resamples = 100

[labeling]
start_rounds = false

[monitoring]
window = 100
draws = 400
"""


def labels_of(reviews: Path) -> dict[str, str]:
    with reviews.open(encoding="utf-8", newline="") as file:
        return {row["id"]: row["label"] for row in csv.DictReader(file)}


@pytest.fixture(scope="session")
def first_project(tmp_path_factory: pytest.TempPathFactory, make_reviews: Callable[..., Path]) -> Path:
    folder = tmp_path_factory.mktemp("begun")
    (folder / "querist.toml").write_text(SETTINGS, encoding="utf-8")
    project = Project(folder)
    project.ingest(make_reviews(folder / "reviews.csv", 600))
    project.export_labels(folder / "holdout.csv", holdout=100)
    answer(project, folder / "holdout.csv", labels_of(folder / "reviews.csv"), "lea", holdout=True)
    project.ledger.close()
    return folder


@pytest.fixture(scope="session")
def second_project(first_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copied(first_project, tmp_path_factory.mktemp("watched"))
    project, truth = Project(folder), labels_of(folder / "reviews.csv")
    project.run()
    project.export_labels(folder / "seed.csv")
    answer(project, folder / "seed.csv", truth, "ann")
    asked = list(csv.DictReader((folder / "seed.csv").open(encoding="utf-8")))
    wrong = {row["id"]: "neg" if truth[row["id"]] == "pos" else "pos" for row in asked[:2]}
    answer(project, folder / "seed.csv", truth | wrong, "ben")
    project.run()
    check(project, data=drifted(folder / "drifted.csv"), start_round=False)
    project.ledger.close()
    return folder


@pytest.fixture
def begun(first_project: Path, tmp_path: Path) -> Project:
    """600 reviews, whose holdout is labeled; nothing is asked yet."""
    return Project(copied(first_project, tmp_path))


@pytest.fixture
def watched(second_project: Path, tmp_path: Path) -> Project:
    """20 items answered by ann and, with two of them wrong, by ben; round 1 waits; a drift alarm is open."""
    return Project(copied(second_project, tmp_path))


def copied(folder: Path, target: Path) -> Path:
    return Path(shutil.copytree(folder, target / "project"))


def answer(project: Project, file: Path, truth: dict[str, str], annotator: str, *, holdout: bool = False) -> None:
    """Labels what the file lists: 6 seconds each, one every 10 seconds, the last one a minute ago."""
    with file.open(encoding="utf-8", newline="") as source:
        ids = [row["id"] for row in csv.DictReader(source)]
    begin = datetime.now(UTC) - timedelta(seconds=60 + 10 * len(ids))
    with file.open("w", newline="", encoding="utf-8") as target:
        writer = csv.writer(target)
        writer.writerow(["id", "label", "annotator", "seconds", "at"])
        for number, id in enumerate(ids):
            at = (begin + timedelta(seconds=10 * number)).isoformat()
            writer.writerow([id, truth[id], annotator, 6, at])
    project.import_labels(file, holdout=holdout)


def drifted(path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = [f"d{i},{' '.join(rng.choice(['gadget', 'noisy', 'leaky', 'sturdy'], 6))} {i},pos,p1" for i in range(240)]
    path.write_text("id,text,label,product\n" + "\n".join(rows), encoding="utf-8")
    return path


def program(name: str) -> str:
    """The path of one of Prometheus' programs; skips where it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: apt-get install prometheus prometheus-alertmanager)")
    return found


@pytest.fixture
def promtool() -> Callable[..., None]:
    tool = program("promtool")

    def ask(*arguments: object, text: str | None = None) -> None:
        done = subprocess.run([tool, *map(str, arguments)], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert not done.stderr.strip() or "error" not in done.stderr.lower(), done.stderr

    return ask


@pytest.fixture
def amtool() -> str:
    return program("amtool")


@pytest.fixture
def programs() -> dict[str, str]:
    return {name: program(name) for name in ("prometheus", "prometheus-alertmanager")}
