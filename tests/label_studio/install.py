"""Puts Label Studio into an environment of its own, outside the checkout, for the tests beside this file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

VERSION = "1.23.2"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
FOLDER = CACHE / "querist-ci" / "label-studio"
DONE = FOLDER / f"{VERSION}.done"


def command() -> Path | None:
    """The program, once it is installed as a whole."""
    return FOLDER / "bin" / "label-studio" if DONE.exists() else None


def main() -> None:
    if command():
        return
    if not (FOLDER / "bin" / "pip").exists():
        subprocess.run([sys.executable, "-m", "venv", FOLDER], check=True)
    pip = [FOLDER / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, f"label-studio=={VERSION}"], check=True)
    DONE.touch()


if __name__ == "__main__":
    main()
