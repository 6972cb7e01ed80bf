"""The demo, from Python and from the shell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from querist import Project
from querist.cli import cli

pytest.importorskip("PIL", reason="the extra demo is not installed")


def few_digits(folder: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (300, 8, 8), dtype=np.uint8)
    np.savez(folder / "digits.npz", images=pixels, label=np.arange(300) % 10)
    return folder / "digits.npz"


def in_this_process(project: Project, rounds: int, *, progress: object = None) -> dict[str, Any]:
    return project.simulate(rounds=rounds, repeats=1, jobs=1)


def test_the_demo_runs_from_python_and_goes_on_in_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("querist.pipeline.demo.ROUNDS", 1)
    monkeypatch.setattr("querist.pipeline.demo.compare", in_this_process)
    monkeypatch.setattr("querist.pipeline.demo._digits", few_digits)
    found = Project.demo(tmp_path / "demo", images=True)
    assert (found["status"], found["round"]) == ("done", 1)
    assert list(found["comparison"]["summary"]) == ["auto", "random"]
    assert "handwritten digits" in Path(found["summary"]).read_text(encoding="utf-8")
    (ingested,) = Project(tmp_path / "demo").snapshots()
    assert ingested["added"] == 300

    told = CliRunner().invoke(cli, ["demo", "--dir", str(tmp_path / "demo"), "--images", "--json"])
    assert json.loads(told.stdout) == found
