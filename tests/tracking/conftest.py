"""A project with three evaluated rounds, and TensorBoard's own reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from querist.pipeline.project import Project

TABLE = """\
[project]
name = "Reviews & more"
[objective]
metric = "accuracy"
seconds_per_label = 30
cost_per_label = 0.5
[data]
id = "id"
text = ["text"]
label = "label"
[splits]
test = 0.2
validation = 0.1
[seed_set]
size = 20
[learner]
name = "{learner}"
{params}
[learner.encoder_params]
chars = []
[query]
strategy = "uncertainty"
batch_size = 10
measures = {{entropy = 0.5, margin = 0.5}}
[evaluation]
resamples = 100
"""


def _project(
    folder: Path, reviews: Path, *, rounds: int, learner: str = "tfidf-logistic", params: str = "", more: str = ""
) -> Project:
    folder.mkdir()
    (folder / "querist.toml").write_text(TABLE.format(learner=learner, params=params) + more, encoding="utf-8")
    project = Project(folder)
    project.ingest(reviews)
    project.run(rounds=rounds, oracle="label")
    return project


@pytest.fixture(scope="session")
def make_project() -> Callable[..., Project]:
    return _project


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, make_reviews: Callable[..., Path]) -> Project:
    """Rounds 0 to 2; not to be changed."""
    base = tmp_path_factory.mktemp("tracked")
    return _project(base / "project", make_reviews(base / "reviews.csv"), rounds=2)


@pytest.fixture
def read() -> Callable[[Path], Any]:
    """What TensorBoard reads in a run."""
    module = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed (extra test)"
    )
    pytest.importorskip("tensorboardX", reason="the extra tensorboard is not installed")

    def reader(run: Path) -> Any:
        found = module.EventAccumulator(str(run), size_guidance={"scalars": 0, "tensors": 0, "histograms": 0})
        return found.Reload()

    return reader
