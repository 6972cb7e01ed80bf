"""Pictures and captions as a film: WebM or GIF, through ffmpeg."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import accumulate
from pathlib import Path

from querist.core.errors import MissingExtra, ServiceError, SettingError

WIDTH, HEIGHT, STRIP = 1000, 640, 56
PER_SECOND = 10
BACKGROUND, INK = "#14213d", "#ffffff"
OUTPUT = {
    ".webm": ["-c:v", "libvpx-vp9", "-crf", "33", "-b:v", "0", "-cpu-used", "4", "-pix_fmt", "yuv420p"],
    ".gif": [
        "-vf",
        "scale=800:-1:flags=lanczos,split[a][b];[a]palettegen=max_colors=64[p];[b][p]paletteuse=dither=none",
    ],
}


@dataclass(frozen=True)
class Shot:
    """A screenshot (PNG of WIDTH x HEIGHT) with what stands below it; `weight` is its share of the film's time."""

    picture: bytes
    caption: str
    weight: float


def check_output(out: Path) -> None:
    if out.suffix.lower() not in OUTPUT:
        raise SettingError(f"cannot write a film to {out.name!r}; choose a name that ends in {' or '.join(OUTPUT)}")
    find_ffmpeg()


def find_ffmpeg() -> str:
    found = shutil.which("ffmpeg")
    if found is None:
        try:
            from imageio_ffmpeg import get_ffmpeg_exe

            found = get_ffmpeg_exe()
        except (ImportError, RuntimeError) as error:
            raise MissingExtra("a film, without ffmpeg on this machine,", "video") from error
    return str(found)


def write_film(shots: Sequence[Shot], out: Path, *, seconds: float) -> None:
    """Writes a film of that length."""
    command = [find_ffmpeg(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += [
        "-s",
        f"{WIDTH}x{HEIGHT + STRIP}",
        "-r",
        str(PER_SECOND),
        "-i",
        "-",
        *OUTPUT[out.suffix.lower()],
        str(out),
    ]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)  # noqa: S603 - our own command
    assert process.stdin is not None
    try:
        for shot, n in zip(shots, counts([shot.weight for shot in shots], round(seconds * PER_SECOND)), strict=True):
            if n:
                process.stdin.write(_frame(shot) * n)
    except BrokenPipeError:  # it has ended, and says why
        pass
    _, said = process.communicate()
    if process.returncode:
        raise ServiceError(f"ffmpeg cannot write {out}: {said.decode(errors='replace').strip()[-300:]}")


def counts(weights: Sequence[float], n_frames: int) -> Iterator[int]:
    """How many frames each of the weights gets; together n_frames."""
    total, shown = sum(weights), 0
    for so_far in accumulate(weights):
        until = round(n_frames * so_far / total)
        yield until - shown
        shown = until


def _frame(shot: Shot) -> bytes:
    """RGB bytes of the picture with its caption on a strip below, where it covers nothing of the page."""
    from PIL import Image, ImageDraw, ImageFont

    frame = Image.new("RGB", (WIDTH, HEIGHT + STRIP), BACKGROUND)
    with Image.open(BytesIO(shot.picture)) as picture:
        frame.paste(picture.convert("RGB"))
    font = ImageFont.load_default(size=24)
    ImageDraw.Draw(frame).text((WIDTH / 2, HEIGHT + STRIP / 2), shot.caption, fill=INK, font=font, anchor="mm")
    return frame.tobytes()
