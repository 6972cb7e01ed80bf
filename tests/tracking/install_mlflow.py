"""Puts MLflow into an environment of its own, outside the checkout, with what querist needs beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

VERSION = "3.17.2"
ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
FOLDER = CACHE / "querist-ci" / "mlflow"
DONE = FOLDER / f"{VERSION}.done"


def python() -> Path | None:
    """The interpreter, once all is installed."""
    return FOLDER / "bin" / "python" if DONE.exists() else None


def main() -> None:
    if not (FOLDER / "bin" / "pip").exists():
        subprocess.run([sys.executable, "-m", "venv", FOLDER], check=True)
    pip = [FOLDER / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, f"mlflow=={VERSION}", ROOT], check=True)
    DONE.touch()


if __name__ == "__main__":
    main()
