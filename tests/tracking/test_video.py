"""Films: as long as asked, with captions, and of the real page."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from querist.cli import cli
from querist.core.errors import ServiceError, SettingError
from querist.web.film import BACKGROUND, HEIGHT, STRIP, WIDTH, Shot, check_output, counts, find_ffmpeg, write_film

Frames = NDArray[np.uint8]
WEIGHTS = st.lists(st.floats(0.05, 5.0), min_size=1, max_size=200)


@pytest.fixture
def ffmpeg() -> str:
    pytest.importorskip("PIL", reason="the extra images is not installed")
    if shutil.which("ffmpeg") is None:
        pytest.importorskip("imageio_ffmpeg", reason="neither ffmpeg nor the extra video is installed")
    return find_ffmpeg()


def frames_of(ffmpeg: str, film: Path, *, height: int = HEIGHT + STRIP, width: int = WIDTH) -> Frames:
    """(frames, height, width, 3), ten for each second."""
    command = [ffmpeg, "-loglevel", "error", "-i", film, "-r", "10", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, dtype=np.uint8).reshape(-1, height, width, 3)


def ink(frame: Frames) -> float:
    """The share of bright pixels on the strip of the caption."""
    return float((frame[HEIGHT + 4 :].min(axis=2) > 180).mean())


def shots(captions: Sequence[str]) -> list[Shot]:
    from PIL import Image

    made = []
    for number, caption in enumerate(captions):
        file = BytesIO()
        Image.new("RGB", (WIDTH, HEIGHT), ["red", "green", "blue"][number % 3]).save(file, "PNG")
        made.append(Shot(file.getvalue(), caption, 1.0))
    return made


@given(WEIGHTS, st.integers(1, 500))
def test_the_frames_are_shared_out_by_weight(weights: list[float], n_frames: int) -> None:
    found = list(counts(weights, n_frames))
    assert sum(found) == n_frames
    for n, weight in zip(found, weights, strict=True):
        assert abs(n - n_frames * weight / sum(weights)) <= 1


@pytest.mark.parametrize("name", ["film.webm", "film.gif"])
def test_a_film_is_as_long_as_asked_and_shows_its_captions(name: str, ffmpeg: str, tmp_path: Path) -> None:
    write_film(shots(["a caption", "", "another, which is longer"]), tmp_path / name, seconds=1.5)
    size = {"height": 557, "width": 800} if name.endswith("gif") else {}
    found = frames_of(ffmpeg, tmp_path / name, **size)
    assert len(found) == 15
    middle = found[[2, 7, 12], 100, 100]
    assert middle.argmax(axis=1).tolist() == [0, 1, 2]
    if not size:
        short, none, long = (ink(found[at]) for at in (2, 7, 12))
        assert none == 0 < short < long


def test_a_name_that_is_no_film_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"film\.txt.*\.webm or \.gif"):
        check_output(tmp_path / "film.txt")


def test_a_folder_that_is_not_there_is_one_sentence(ffmpeg: str, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="ffmpeg cannot write"):
        write_film(shots(["a"]), tmp_path / "nowhere" / "film.webm", seconds=1)


@pytest.mark.long
def test_five_seconds_of_the_demo_show_labeling_and_the_measured_round(ffmpeg: str, tmp_path: Path) -> None:
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra video)")
    pytest.importorskip("uvicorn", reason="the extra web is not installed")
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    out = tmp_path / "demo.webm"
    done = CliRunner().invoke(cli, ["present", "video", "--out", str(out), "--seconds", "5"])
    assert done.exit_code == 0, done.output
    assert out.stat().st_size < 2e6
    found = frames_of(ffmpeg, out)
    assert len(found) == 50
    assert min(map(ink, found)) > 0.005
    background = tuple(int(BACKGROUND[at : at + 2], 16) for at in (1, 3, 5))
    assert np.abs(found[:, -3, 3].astype(int) - background).max() < 16
    pages = found[:, :HEIGHT].astype(int)
    changed = [np.abs(b - a).mean() > 1 for a, b in pairwise(pages)]
    assert sum(changed) > 15  # twenty items and two pages of the lead, in fifty frames
