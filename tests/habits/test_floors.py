"""The import contracts hold, and bite when a wrong import is planted."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytest.importorskip("importlinter", reason="import-linter is not installed (extra dev)")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    # A process of its own, because import-linter imports the package that it finds first.
    script = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", script, "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder / "src"), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_hold(copy: Path) -> None:
    found = lint(copy)
    assert found.returncode == 0, found.stdout
    assert "4 kept, 0 broken" in found.stdout


@pytest.mark.parametrize(
    ("file", "planted"),
    [
        ("core/types.py", "import querist.store.ledger"),
        ("models/heads.py", "import querist.pipeline.project"),
        ("stages/evaluation/metrics.py", "import querist.stages.query_strategy.ask"),
        ("stages/raw_data/rows.py", "import querist.stages.preprocessing.steps"),
        ("pipeline/record.py", "import sqlalchemy"),
    ],
)
def test_a_planted_wrong_import_is_found(copy: Path, file: str, planted: str) -> None:
    path = copy / "src" / "querist" / file
    path.write_text(path.read_text() + f"\n{planted}\n")
    found = lint(copy)
    assert found.returncode != 0
    assert " 0 broken" not in found.stdout
    assert planted.removeprefix("import ") in found.stdout
