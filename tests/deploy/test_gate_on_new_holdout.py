"""A model that learned what is new is judged on what is new."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from querist.pipeline.deploy.deploying import gate, promote
from querist.pipeline.evaluation.quality import predictions
from querist.pipeline.project import Project


def write_french(path: Path, n_items: int) -> Path:
    """Reviews in words that the first model has never read."""
    rng = np.random.default_rng(0)
    rows = ["id,text,label,product"]
    for i in range(n_items):
        label, words = ("pos", ["bien", "beau"]) if rng.random() < 0.5 else ("neg", ["mal", "laid"])
        rows.append(f"f{i},{' '.join(rng.permutation(words))} mot{rng.integers(9)} {i} great awful,{label},p1")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_the_served_model_answers_holdout_items_that_came_after_it(project: Project, tmp_path: Path) -> None:
    served = promote(project, force="the first")["model_version"]
    project.ingest(write_french(tmp_path / "french.csv", 300))
    project.run(rounds=4, oracle="label")
    whole = predictions(project)
    assert whole is not None
    assert len(whole.positions) > 80, "the holdout has grown"
    found = gate(project)
    assert found["served"] == served
    assert found["compared"]["n"] == len(whole.positions)


def test_items_that_both_were_measured_on_keep_their_recorded_answers(project: Project) -> None:
    promote(project, force="the first")
    project.run(rounds=3, oracle="label")
    assert gate(project)["compared"]["n"] == 80


def test_a_served_model_of_other_features_is_compared_on_what_it_was_measured_on(
    project: Project, tmp_path: Path
) -> None:
    promote(project, force="the first")
    path = project.folder / "querist.toml"
    path.write_text(path.read_text().replace("chars = []", "chars = [2, 3]"))
    project = Project(project.folder)
    project.ingest(write_french(tmp_path / "french.csv", 300))
    project.run(rounds=3, oracle="label")
    assert gate(project)["compared"]["n"] == 80
