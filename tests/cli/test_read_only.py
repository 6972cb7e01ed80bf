"""A project that may only be read can be looked at, and says why it cannot go on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from querist.pipeline.project import Project

# Root writes anywhere, unless this right of root is taken away.
BOUND = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.geteuid() == 0 else []


@pytest.fixture
def querist() -> list[str]:
    """The command line, as a process that file modes bind."""
    if BOUND and (shutil.which("setpriv") is None or subprocess.run([*BOUND, "true"], check=False).returncode):
        pytest.skip("root ignores file modes here, and setpriv cannot change that")
    return [*BOUND, sys.executable, "-m", "querist"]


@pytest.fixture(params=["as the command line leaves it", "closed", "copied in the middle"])
def locked(request: pytest.FixtureRequest, folder: Path, reviews: Path, tmp_path: Path) -> Iterator[Path]:
    """A project after one round, every folder 0555 and every file 0444."""
    project = Project(folder)
    project.ingest(reviews)
    project.run(rounds=0, oracle="label")
    if request.param == "closed":
        project.ledger.close()
    elif request.param == "copied in the middle":
        folder = Path(shutil.copytree(folder, tmp_path / "copy"))
        (folder / ".querist" / "ledger.db-shm").unlink()
        project.ledger.close()
    else:
        folder = Path(shutil.copytree(folder, tmp_path / "copy"))
    paths = [folder, *folder.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    yield folder
    for path in paths:
        path.chmod(0o755)


def said(querist: list[str], *arguments: object, status: int = 0) -> str:
    done = subprocess.run([*querist, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if status == 0 else done.stderr


@pytest.mark.long
def test_a_read_only_project_can_be_looked_at(querist: list[str], locked: Path, tmp_path: Path) -> None:
    wal = locked / ".querist" / "ledger.db-wal"
    if wal.exists() and not (locked / ".querist" / "ledger.db-shm").exists():
        assert "copy the project to where you may write" in said(querist, "status", "--project", locked, status=1)
        return
    before = sorted(locked.rglob("*"))
    assert "reviews: ready" in said(querist, "status", "--project", locked)
    assert "label" in said(querist, "rounds", "show", 0, "--project", locked)
    assert "mode=ro" in said(querist, "doctor", "--project", locked)
    assert "wrote 20 items" in said(querist, "labels", "export", tmp_path / "out.csv", "--project", locked)
    assert sorted(locked.rglob("*")) == before

    for command in (["run", "--oracle", "label"], ["ingest", tmp_path / "reviews.csv"]):
        assert "the project is read-only here" in said(querist, *command, "--project", locked, status=2)
    shutil.copy(tmp_path / "out.csv", tmp_path / "in.csv")
    text = (tmp_path / "in.csv").read_text().replace(",pos,", ",neg,")
    (tmp_path / "in.csv").write_text(text)
    error = said(querist, "labels", "import", tmp_path / "in.csv", "--project", locked, status=1)
    assert "its folder is read-only" in error
