"""Off a terminal, each round is printed when it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from querist.pipeline.project import Project

COMMAND = [sys.executable, "-m", "querist", "run", "--rounds", "3", "--oracle", "label"]


@pytest.mark.long
def test_a_piped_run_prints_each_round_when_it_ends(folder: Path, reviews: Path) -> None:
    project = Project(folder)
    project.ingest(reviews)
    process = subprocess.Popen(COMMAND, cwd=folder, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().split() == [
        "round",
        "strategy",
        "asked",
        "labels",
        "accuracy",
        "interval",
        "seconds",
    ]
    assert process.stdout.readline().split()[:4] == ["0", "seed_set:auto", "20", "20"]
    assert project.next_round() < 4, "the first round is read while the last one is still to come"
    rest = process.stdout.read().splitlines()
    assert process.wait() == 0
    assert [line.split()[0] for line in rest[:3]] == ["1", "2", "3"]
    assert sum("kmeans" in line for line in rest) == 3, "no round is printed twice"
    assert "done: 3 rounds" in "\n".join(rest)

    again = subprocess.run(COMMAND, cwd=folder, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    assert [line.split()[0] for line in again[:5]] == ["round", "0", "1", "2", "3"]
    found = subprocess.run([*COMMAND, "--json"], cwd=folder, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert json.loads(found)["status"] == "done"
