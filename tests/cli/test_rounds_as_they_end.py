"""Off a terminal, each round is printed when it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from warm import querist, started

from querist.pipeline.project import Project

RUN = ["run", "--rounds", "3", "--oracle", "label"]


@pytest.mark.long
def test_a_piped_run_prints_each_round_when_it_ends(folder: Path, reviews: Path) -> None:
    project = Project(folder)
    project.ingest(reviews)
    with started(*RUN, cwd=folder) as command:
        assert command.stdout.readline().split() == [
            "round",
            "strategy",
            "asked",
            "labels",
            "accuracy",
            "interval",
            "seconds",
        ]
        assert command.stdout.readline().split()[:4] == ["0", "seed_set:auto", "20", "20"]
        assert project.next_round() < 4, "the first round is read while the last one is still to come"
        rest = command.stdout.read().splitlines()
        assert command.wait() == 0
    assert [line.split()[0] for line in rest[:3]] == ["1", "2", "3"]
    assert sum("kmeans" in line for line in rest) == 3, "no round is printed twice"
    assert "done: 3 rounds" in "\n".join(rest)

    again = querist(*RUN, cwd=folder)
    assert again.returncode == 0
    assert [line.split()[0] for line in again.stdout.splitlines()[:5]] == ["round", "0", "1", "2", "3"]
    found = querist(*RUN, "--json", cwd=folder)
    assert found.returncode == 0
    assert json.loads(found.stdout)["status"] == "done"
