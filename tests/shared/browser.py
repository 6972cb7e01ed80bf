"""Chromium and axe-core, where a test can have them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def open_chromium() -> Iterator[Any]:  # Any: playwright's Browser, which is an extra
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra test)")
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


def axe_source() -> str:
    """The source of axe-core, fetched once into a cache outside the checkout."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "querist-ci" / "axe"
    found = cache / "package" / "axe.min.js"
    if not found.exists():
        if (npm := shutil.which("npm")) is None:
            pytest.skip("npm is not installed, so axe-core cannot be fetched")
        cache.mkdir(parents=True, exist_ok=True)
        got = subprocess.run([npm, "pack", "axe-core@4.10.3"], cwd=cache, capture_output=True, text=True, check=False)
        if got.returncode:
            pytest.skip("axe-core cannot be fetched from the npm registry")
        subprocess.run(["tar", "xzf", got.stdout.strip().splitlines()[-1]], cwd=cache, check=True)
    return found.read_text(encoding="utf-8")
