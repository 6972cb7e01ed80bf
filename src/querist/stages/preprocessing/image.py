"""Image steps: PIL image -> PIL image, the same object when nothing had to change."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from querist.core.errors import SettingError

if TYPE_CHECKING:
    from PIL.Image import Image

MODES = ("L", "RGB")
ORIENTATION = 0x0112


def orientation(image: Image) -> Image:
    """Upright, as the camera's EXIF note says."""
    from PIL import ImageOps

    return image if image.getexif().get(ORIENTATION, 1) == 1 else ImageOps.exif_transpose(image)


def mode(image: Image, *, to: str) -> Image:
    return image if image.mode == to else image.convert(to)


def size(image: Image, *, exact: int | None, min: int | None, max: int | None) -> Image:
    """Sides in pixels: `exact` for both, or the shorter at least `min`, then the longer at most `max`."""
    width, height = image.size
    if exact is not None:
        width = height = exact
    else:
        factor = 1.0 if min is None or _shorter(image) >= min else min / _shorter(image)
        if max is not None and factor * _longer(image) > max:
            factor = max / _longer(image)
        width, height = (side if factor == 1 else _at_least_1(side * factor) for side in image.size)
    return image if (width, height) == image.size else image.resize((width, height), resample=1)


def check_mode(settings: dict[str, object]) -> None:
    if settings["to"] not in MODES:
        raise SettingError(f"step 'mode': to = {settings['to']!r} is none of {', '.join(MODES)}")


def check_size(settings: dict[str, object]) -> None:
    for name, side in settings.items():
        if side is not None and (not isinstance(side, int) or side < 1):
            raise SettingError(f"step 'size': {name} = {side!r} is no number of pixels; give a whole number from 1")


def apply_to_bytes(steps: Sequence[Callable[[Image], Image]], content: bytes) -> bytes:
    """The image after all steps, as PNG; the very same bytes when no step changed it."""
    from PIL import Image as Images

    with Images.open(io.BytesIO(content)) as before:
        after: Image = before
        for step in steps:
            after = step(after)
        if after is before:
            return content
        file = io.BytesIO()
        after.save(file, "PNG")
        return file.getvalue()


def _shorter(image: Image) -> int:
    return image.size[0] if image.size[0] < image.size[1] else image.size[1]


def _longer(image: Image) -> int:
    return image.size[0] if image.size[0] > image.size[1] else image.size[1]


def _at_least_1(side: float) -> int:
    return round(side) or 1
