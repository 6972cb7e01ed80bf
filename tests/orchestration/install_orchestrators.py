"""Puts Airflow and Prefect into environments of their own, outside the checkout, for the tests beside this file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "querist-ci"
PINS = {
    "airflow": ("apache-airflow==3.3.2", "apache-airflow-providers-standard==1.21.0"),
    # Newer versions, which it allows, do not run with it: it does not start, or schedules nothing.
    "prefect": ("prefect==3.8.8", "fastapi==0.150.0", "sqlalchemy>=2.0,<2.1"),
}


def environment(name: str) -> Path | None:
    """The folder of programs, once all is installed."""
    folder = CACHE / name
    return folder / "bin" if _done(name).exists() else None


def _done(name: str) -> Path:
    return CACHE / name / f"{PINS[name][0].partition('==')[2]}.done"


def main() -> None:
    for name, pins in PINS.items():
        if environment(name):
            continue
        folder = CACHE / name
        if not (folder / "bin" / "pip").exists():
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", *pins], check=True)
        _done(name).touch()


if __name__ == "__main__":
    main()
