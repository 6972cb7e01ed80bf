"""`querist present video`: the demo, labeled in a browser by the keys that a person would press."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from socket import create_connection
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from querist.core.errors import MissingExtra, ServiceError
from querist.pipeline.demo import FOR_PEOPLE, HOLDOUT
from querist.pipeline.human_labeling.lead import overview
from querist.pipeline.project import Project
from querist.web.film import HEIGHT, WIDTH, Shot, check_output, write_film

if TYPE_CHECKING:
    from playwright.sync_api import Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SECONDS_A_ROUND = 7.5
PATIENCE = 120.0
NOTICED_MS = 1_500
"""Time in which the server notices that a round is complete."""
PICTURE = "document.querySelector('#item:not(.empty) img')?.complete ? document.querySelector('#item img').src : ''"
TURNING = "All answered: the model learns, is measured on the holdout, and ranks what is left"

Tell = Callable[[str], None]


def make_video(out: Path, *, seconds: float = 30, tell: Tell = lambda line: None) -> None:
    """Writes a film of labeling, rounds turning and the curve rising. `tell` hears how far it is.

    Raises MissingExtra without Playwright or ffmpeg, ServiceError without a browser.
    """
    check_output(out)
    with TemporaryDirectory(prefix="querist-video-") as folder, _browser() as page:
        project, truth = _prepare(Path(folder))
        with _served(project) as address:
            shots = list(
                _shots(page, project, truth, address, n_rounds=max(round(seconds / SECONDS_A_ROUND), 1), tell=tell)
            )
    tell(f"writing {out}")
    write_film(shots, out, seconds=seconds)


def _shots(
    page: Page, project: Project, truth: Mapping[bytes, str], address: str, *, n_rounds: int, tell: Tell
) -> Iterator[Shot]:
    def shot(caption: str, weight: float) -> Shot:
        return Shot(page.screenshot(), caption, weight)

    page.goto(address)
    place = address.partition("/?")[0]
    for number in range(n_rounds):
        tell(f"round {number} of {n_rounds - 1}")
        what = "a seed set, one key for each" if number == 0 else "what the model learns most from"
        _item(page)
        yield shot(f"querist on handwritten digits. Round {number}: {what}", 2.0 if number == 0 else 1.0)
        yield from _labeled(page, project, truth, f"Round {number}: {what}", 0.25 if number == 0 else 0.12, shot)
        yield shot(TURNING, 0.8)
        page.wait_for_timeout(NOTICED_MS)
        page.goto(f"{place}/lead")
        yield shot(TURNING, 0.8)
        _wait_for_round(project, number + 1)
        page.goto(f"{place}/lead")
        measured = _quality(project)
        yield shot(measured, 0.8)
        page.wait_for_function("[...document.images].every((image) => image.complete)")
        page.evaluate("document.querySelector('img.curve')?.scrollIntoView({ block: 'center' })")
        yield shot(measured, 3.0 if number == n_rounds - 1 else 1.4)
        page.goto(place)


def _labeled(
    page: Page,
    project: Project,
    truth: Mapping[bytes, str],
    caption: str,
    weight: float,
    shot: Callable[[str, float], Shot],
) -> Iterator[Shot]:
    """Answers all that is asked, rightly."""
    for _ in range(overview(project)["left"]):
        picture = _item(page)
        label = truth[_pixels(project.artifacts.get(picture.rpartition("/")[2]))]
        yield shot(f"{caption}   [ {label} ]", weight)
        page.keyboard.press(label)
        page.wait_for_function(f"(before) => ({PICTURE}) !== before", arg=picture)
    page.locator("#item.empty").wait_for()


def _item(page: Page) -> str:
    """The address of the picture that is shown, once there is one."""
    return str(page.wait_for_function(PICTURE).json_value())


def _quality(project: Project) -> str:
    rows = [row for row in overview(project)["rounds"] if row["value"] is not None]
    last, first = rows[-1], rows[0]
    said = (
        f"{last['metric']} {last['value']:.2f} ({last['low']:.2f} to {last['high']:.2f}) after {last['labels']} labels"
    )
    return said if last is first else f"{said}; it was {first['value']:.2f} after {first['labels']}"


def _wait_for_round(project: Project, number: int) -> None:
    end = time.monotonic() + PATIENCE
    while (overview(project)["round"] or 0) < number:
        if time.monotonic() > end:
            raise ServiceError(f"round {number} of the demo did not open within {PATIENCE:g} seconds; try again")
        time.sleep(0.3)


def _prepare(folder: Path) -> tuple[Project, dict[bytes, str]]:
    """The demo on digits without the zero, so that a key is a label; and the labels, by pixels of a picture."""
    import numpy as np
    from sklearn.datasets import load_digits

    digits = load_digits()
    used = digits.target > 0
    images, names = (digits.images[used] * 15.9).astype(np.uint8), digits.target[used].astype(str)
    held_out = np.arange(len(names)) % HOLDOUT == 0
    label, split = np.where(held_out, names, ""), np.where(held_out, "test", "pool")
    np.savez(folder / "digits.npz", images=images, label=label, split=split)
    values = {"name": "handwritten digits", "kind": "image", "columns": 'image = "images"'}
    guidelines = "Which digit is it? Press its key."
    (folder / "querist.toml").write_text(FOR_PEOPLE.format(**values, classes=[*"123456789"], guidelines=guidelines))
    project = Project(folder)
    project.ingest("digits.npz")
    project.run()  # opens the seed set
    return project, {image.tobytes(): name for image, name in zip(images, names.tolist(), strict=True)}


def _pixels(png: bytes) -> bytes:
    from PIL import Image

    with Image.open(BytesIO(png)) as image:
        return image.convert("L").tobytes()


@contextmanager
def _served(project: Project) -> Iterator[str]:
    """The address to open, of a server on a free port."""
    command = [sys.executable, "-m", "querist", "serve", "--port", "0", "--project", str(project.folder)]
    process = subprocess.Popen(  # noqa: S603 - our own command
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        line = next((line for line in process.stdout if line.startswith("label here: ")), None)
        if line is None:
            raise ServiceError("the server of the demo ended at once; `querist demo --serve --images` says why")
        address = line.split()[-1]
        _wait_for_server(urlsplit(address).port or 0)
        yield address
    finally:
        process.terminate()
        process.wait()


def _wait_for_server(port: int) -> None:
    """It says its address a moment before it answers there."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError as error:
            if time.monotonic() > end:
                raise ServiceError(f"the server of the demo did not answer within {PATIENCE:g} seconds") from error
            time.sleep(0.1)


@contextmanager
def _browser() -> Iterator[Page]:
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as error:
        raise MissingExtra("the video", "video") from error
    with sync_playwright() as playwright:
        found: Any = next(filter(None, map(shutil.which, BROWSERS)), playwright.chromium.executable_path)
        if not Path(found).exists():
            raise ServiceError("no Chromium was found; install it, or run `playwright install chromium`")
        try:
            # Without its sandbox, which containers do not allow: it shows our own page alone.
            browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
            page = browser.new_page(
                viewport={"width": WIDTH, "height": HEIGHT}, bypass_csp=True
            )  # to wait for pictures
            yield page
            browser.close()
        except Error as error:
            raise ServiceError(f"Chromium did not play its part: {error.message.splitlines()[0]}; try again") from error
