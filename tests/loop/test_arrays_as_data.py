"""A project whose raw data is what a notebook holds in memory."""

from pathlib import Path

import numpy as np
import pytest

from querist import Project
from querist.core.errors import ShapeError

SETTINGS = """\
[data]
kind = "tabular"
id = "id"
numeric = ["X_0", "X_1"]
label = "label"
[splits]
test = 0.3
[seed_set]
size = 10
[learner]
encoder_params = {}
[query]
batch_size = 5
[evaluation]
resamples = 100
"""


def test_a_matrix_is_ingested_and_the_loop_runs_on_it(tmp_path: Path) -> None:
    (tmp_path / "querist.toml").write_text(SETTINGS, encoding="utf-8")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    project = Project(tmp_path)
    report = project.ingest_arrays(X, (X[:, 0] > 0).astype(int), id=[f"row{i}" for i in range(200)])
    assert (report.read, report.added) == (200, 200)
    assert project.run(rounds=1, oracle="label").status == "done"
    queries = project.show_round(1)["queries"]
    assert len(queries) == 5
    assert all(query["id"].startswith("row") for query in queries)
    assert project.ingest_arrays(X[:3], [0, 1, 0], id=["row0", "row1", "new"]).repeated <= 2


def test_arrays_of_no_known_shape_are_refused_by_their_shape(tmp_path: Path) -> None:
    (tmp_path / "querist.toml").write_text(SETTINGS, encoding="utf-8")
    with pytest.raises(ShapeError, match=r"\(2, 2, 2\)"):
        Project(tmp_path).ingest_arrays(np.zeros((2, 2, 2)))
