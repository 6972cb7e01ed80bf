"""Real projects behind a real server process, and Chromium to look at them."""

from __future__ import annotations

import csv
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

pytest.importorskip("fastapi", reason="the extra web is not installed")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra test)")
from browser import axe_source, open_chromium  # noqa: E402
from playwright.sync_api import Browser, BrowserContext, Page, expect  # noqa: E402
from warm import Command  # noqa: E402

from querist.pipeline.human_labeling.labeling import Answer, Desk  # noqa: E402
from querist.pipeline.project import Project  # noqa: E402
from querist.store.annotations import Annotation, list_annotations  # noqa: E402

expect.set_options(timeout=15_000)

SETTINGS = """\
[project]
name = "reviews"
seed = 7
[objective]
metric = "accuracy"
[data]
id = "id"
text = ["text"]
classes = {classes}
labels = "{labels}"
context = ["product"]
[splits]
test = 0.05
validation = 0.05
[seed_set]
size = {seed_size}
[learner]
name = "tfidf-logistic"
[learner.encoder_params]
chars = []
[query]
strategy = "uncertainty"
batch_size = 20
[evaluation]
resamples = 100
[labeling]
guidelines = "guidelines.md"
start_rounds = false
{more}
"""
GUIDELINES = """\
# What counts

- **pos**: the person would go again.
- **neg**: they would not.

| word | meaning |
|-----:|:--------|
| meh  | neg     |

<script>window.hacked = 1</script> [bad](javascript:alert(1))
"""


def _make_project(
    folder: Path,
    rows: Sequence[tuple[str, str]],
    *,
    classes: Sequence[str] = ("pos", "neg"),
    seed_size: int,
    more: str = "",
    labels: str = "one",
) -> Project:
    """A project that waits for the answers of its seed set; rows are (text, product)."""
    folder.mkdir()
    values = {"classes": list(classes), "seed_size": seed_size, "more": more, "labels": labels}
    (folder / "querist.toml").write_text(SETTINGS.format(**values), encoding="utf-8")
    (folder / "guidelines.md").write_text(GUIDELINES, encoding="utf-8")
    with (folder / "items.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "product"])
        writer.writerows([f"r{i}", text, product] for i, (text, product) in enumerate(rows))
    project = Project(folder)
    project.ingest(folder / "items.csv")
    assert project.run().status == "waiting"
    return project


def reviews(n: int) -> list[tuple[str, str]]:
    good, bad = ["great", "lovely", "superb", "warm"], ["awful", "boring", "weak", "cold"]
    return [
        (f"{(good if i % 2 else bad)[i % 4]} film number {i}\nand a second line of {i * 7}", f"p{i % 5}")
        for i in range(n)
    ]


def _answer_all(project: Project, label_of: Callable[[str], str], *, who: str = "earlier") -> None:
    """Everything that is asked now, answered by one person."""
    desk = Desk(project)
    while tasks := desk.lease(who, "t", 100)["tasks"]:
        desk.submit(who, [Answer(f"{who}-{t['item']}", t["item"], label_of(t["text"])) for t in tasks])


@dataclass
class Site:
    """A project and the server that shows it."""

    project: Project
    port: int
    process: Command | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        script = Path(__file__).with_name("page_server.py")
        folder = self.project.folder
        self.process = Command(folder, self.port, cwd=folder, script=script)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with suppress(URLError, ConnectionError), urlopen(f"{self.url}/static/base.css", timeout=5):
                return
            assert not self.process.ended_within(0), "the server has ended"
            time.sleep(0.05)
        pytest.fail("the server does not answer")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def answers(self) -> list[Annotation]:
        with self.project.ledger.begin() as tx:
            return [a for a in list_annotations(tx) if a.annotator != "earlier"]

    def wait_for(self, n: int) -> list[Annotation]:
        """The answers on record, once there are n."""
        end = time.monotonic() + 30
        while len(found := self.answers()) < n and time.monotonic() < end:
            time.sleep(0.05)
        assert len(found) == n
        return found


@pytest.fixture
def serve() -> Iterator[Callable[[Project], Site]]:
    sites: list[Site] = []

    def served(project: Project) -> Site:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        sites.append(Site(project, port))
        sites[-1].start()
        return sites[-1]

    yield served
    for site in sites:
        site.kill()


@pytest.fixture(scope="session")
def two_labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _make_project(tmp_path_factory.mktemp("page") / "two", reviews(300), seed_size=200).folder


@pytest.fixture(scope="session")
def with_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its seed set is answered, so that the items of round 1 come with predictions and reasons."""
    project = _make_project(tmp_path_factory.mktemp("page") / "model", reviews(120), seed_size=30)
    _answer_all(project, lambda text: "pos" if any(w in text for w in ("great", "superb", "lovely", "warm")) else "neg")
    assert project.run().status == "waiting"
    return project.folder


def _copy_of(folder: Path, to: Path, **changes: str) -> Project:
    """A project of its own, with some lines of the settings replaced."""
    shutil.copytree(folder, to)
    text = (to / "querist.toml").read_text(encoding="utf-8")
    for old, new in changes.items():
        text = text.replace(f"[{old}]", f"[{old}]\n{new}")
    (to / "querist.toml").write_text(text, encoding="utf-8")
    return Project(to)


@pytest.fixture(scope="session")
def make_project() -> Callable[..., Project]:
    return _make_project


@pytest.fixture
def copy_of() -> Callable[..., Project]:
    return _copy_of


@pytest.fixture
def answer_all() -> Callable[..., None]:
    return _answer_all


@pytest.fixture
def site(two_labels: Path, tmp_path: Path, serve: Callable[[Project], Site]) -> Site:
    """Two labels, 200 items waiting."""
    return serve(_copy_of(two_labels, tmp_path / "project"))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with open_chromium() as browser:
        yield browser


@dataclass
class Visitor:
    """A browser profile, and all that its pages complained about."""

    context: BrowserContext
    site: Site
    complaints: list[str] = field(default_factory=list)

    def sign_in(self, who: str = "ada", session: str = "1") -> None:
        cookies: list[Any] = [
            {"name": "who", "value": who, "url": self.site.url},
            {"name": "session", "value": session, "url": self.site.url},
        ]
        self.context.add_cookies(cookies)

    def open(self, *, ready: bool = True) -> Page:
        page = self.context.new_page()
        page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: self.complaints.append(str(e)))
        page.goto(self.site.url)
        if ready:
            expect(page.locator("#item .text, #item .viewer, #item table").first).to_be_visible()
        return page


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Visitor]]:
    contexts: list[BrowserContext] = []

    def visitor(site: Site, who: str | None = "ada", **options: Any) -> Visitor:
        contexts.append(chromium.new_context(**options))
        made = Visitor(contexts[-1], site)
        if who:
            made.sign_in(who)
        return made

    yield visitor
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def axe() -> str:
    return axe_source()
