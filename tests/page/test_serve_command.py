"""`querist serve` on one's own machine: the printed address lets its owner in, once."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from querist.pipeline.project import Project
from querist.store.annotations import list_annotations

pytestmark = pytest.mark.long


def test_the_printed_address_opens_the_page_and_signing_out_closes_it(
    two_labels: Path, tmp_path: Path, copy_of: Callable[..., Project], chromium: Browser
) -> None:
    project = copy_of(two_labels, tmp_path / "p")
    command = [sys.executable, "-m", "querist", "serve", "--port", "0", "--project", str(project.folder)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    server: Any = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    context = chromium.new_context()
    try:
        address = re.search(r"http://\S+", server.stdout.readline())
        assert address
        page = context.new_page()
        page.goto(address[0])
        expect(page.locator("#item .text")).to_be_visible()
        assert "token" not in page.url
        page.keyboard.press("1")
        expect(page.locator("#saved")).to_have_text("All saved")
        with page.expect_response("**/api/v1/annotations"):
            page.keyboard.press("2")
        page.locator("#sign-out").click()
        page.wait_for_url("**/sign-in")
        page.goto(page.url.replace("/sign-in", "/"))
        assert page.url.endswith("/sign-in")
    finally:
        context.close()
        server.send_signal(signal.SIGTERM)
        server.wait()
    with project.ledger.begin() as tx:
        assert [a.label for a in list_annotations(tx)] == ["pos", "neg"]
