"""The report inside the web application: today's figures, for leads alone, and nothing that the policy refuses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

pytest.importorskip("fastapi", reason="the extra web is not installed")
pytest.importorskip("mermaidx", reason="the extra report is not installed")

import uvicorn
from browser import open_chromium
from fastapi.testclient import TestClient
from web_client import ByHeader

from querist.pipeline.project import Project
from querist.web.app import create_app


def test_a_lead_reads_the_report_of_this_moment(
    lead: TestClient, answer: Callable[..., None], items: list[str], project: Project
) -> None:
    assert '<a href="/lead/report">' in lead.get("/lead").text
    page = lead.get("/lead/report")
    assert page.status_code == 200
    assert "style-src 'sha256-" in page.headers["content-security-policy"]
    assert "&lt;b&gt;reviews&lt;/b&gt;" in page.text
    assert lead.get("/lead/report", params={"audience": "everybody"}).status_code == 422


def test_who_is_no_lead_sees_no_report(project: Project) -> None:
    client = TestClient(create_app(project, gate=ByHeader()))
    assert client.get("/lead/report", headers={"x-person": "ada", "x-role": "annotator"}).status_code == 403


@pytest.mark.long
def test_a_browser_finds_nothing_to_refuse_in_it(project: Project) -> None:
    config = uvicorn.Config(create_app(project, gate=ByHeader()), host="127.0.0.1", port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.02)
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        with open_chromium() as browser:
            page = browser.new_context(extra_http_headers={"x-person": "lea", "x-role": "lead"}).new_page()
            said: list[str] = []
            page.on("console", lambda message: said.append(message.text))
            page.goto(f"{url}/lead/report")
            assert page.locator("h1").inner_text()
            # The style of the page itself, which a policy without its hash would refuse.
            assert page.evaluate("getComputedStyle(document.body).fontFamily") != "serif"
            assert [text for text in said if "favicon" not in text] == []
    finally:
        server.should_exit = True
        thread.join()
