"""kill -9 at any moment of a run, start again: the same record as an undisturbed run."""

from __future__ import annotations

import math
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from warm import querist, started

from querist.pipeline.project import Project

KILLS = 100 if os.environ.get("QUERIST_NIGHTLY") else 10
COLD = [sys.executable, "-m", "querist"]
RUN = ["run", "--rounds", "3", "--oracle", "label"]


@pytest.mark.long
def test_a_killed_run_ends_with_the_record_of_an_undisturbed_one(folder: Path, reviews: Path, tmp_path: Path) -> None:
    Project(folder).ingest(reviews)
    fresh = tmp_path / "fresh"
    shutil.copytree(folder, fresh)
    subprocess.run([*COLD, *RUN, "--project", folder], check=True, capture_output=True)
    expected = Project(folder).digest()
    steps = len(Project(folder).show_round(3)["steps"])

    dice = random.Random(time.time_ns())
    pace, kills, attempt = math.inf, 0, 0
    while kills < KILLS:
        victim = tmp_path / f"victim-{attempt}"
        attempt += 1
        assert attempt <= 3 * KILLS, f"only {kills} of {attempt} runs were killed before they ended"
        shutil.copytree(fresh, victim)
        start = time.monotonic()
        if killed_after(dice.uniform(0.05, 0.95) * pace if math.isfinite(pace) else None, victim):
            kills += 1
            while dice.random() < 0.5 and killed_after(dice.uniform(0.05, 0.95) * pace, victim):
                kills += 1
            assert querist(*RUN, cwd=victim).returncode == 0
        else:
            pace = min(pace, time.monotonic() - start)  # the first run tells how long one takes today
        project = Project(victim)
        assert project.digest() == expected, f"attempt {attempt}"
        assert len(project.show_round(3)["steps"]) == steps
        project.ledger.close()
        shutil.rmtree(victim)


def killed_after(seconds: float | None, project: Path) -> bool:
    """Whether the run was still going after so long; it is killed then."""
    with started(*RUN, cwd=project) as command:
        if not command.ended_within(seconds):
            command.kill()
            command.wait()
            return True
        assert command.wait() == 0
        return False


@pytest.mark.long
def test_a_run_that_only_the_budget_ends_is_the_same_after_a_kill(folder: Path, reviews: Path, tmp_path: Path) -> None:
    settings = (folder / "querist.toml").read_text()
    (folder / "querist.toml").write_text(settings.replace("[objective]", "[objective]\nbudget_labels = 45"))
    Project(folder).ingest(reviews)
    victim = tmp_path / "victim"
    shutil.copytree(folder, victim)
    run = ["run", "--oracle", "label"]
    subprocess.run([*COLD, *run, "--project", folder], check=True, capture_output=True)
    undisturbed = Project(folder).status()
    assert undisturbed["labels_asked"] == 45
    for first in ("0", "1", "2"):
        with started(*run, cwd=victim) as command:
            next(line for line in command.stdout if line.split()[0] == first)
            command.kill()
    assert querist(*run, cwd=victim).returncode == 0
    assert Project(victim).status()["labels_asked"] == 45
    assert Project(victim).digest() == undisturbed["digest"]


@pytest.mark.long
def test_a_killed_ingest_leaves_nothing_and_a_second_one_succeeds(folder: Path, reviews: Path, tmp_path: Path) -> None:
    whole = Project(folder).ingest(reviews)
    command = [*COLD, "ingest", str(reviews), "--project"]
    for attempt in range(5):
        victim = tmp_path / f"victim-{attempt}"
        victim.mkdir()
        shutil.copy(folder / "querist.toml", victim)
        process = subprocess.Popen([*command, victim], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.3 + 0.25 * attempt)
        process.kill()
        process.communicate()
        subprocess.run([*command, victim], check=True, capture_output=True)
        project = Project(victim)
        assert project.snapshot.id == whole.snapshot
        assert project.verify_snapshot() == []
