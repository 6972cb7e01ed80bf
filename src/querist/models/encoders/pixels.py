"""Images as their pixels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import DataError, MissingExtra, SettingError
from querist.core.protocols import Items
from querist.core.types import Matrix
from querist.models.encoders.make import whole_number

CHANNELS = {"L": 1, "RGB": 3}
LOOKED_AT = 200
LEAST_SIDE, MOST_SIDE = 8, 32


class Pixels:
    """Pixels of images made square, grey (`mode` "L") or colour ("RGB"), from 0 to 1: (n_items, n_pixels) float32.

    Where unset, `side` is the median shorter side of the first pool images, kept between 8 and 32, and `mode` is "L"
    if all of them are grey.
    """

    VERSION: ClassVar[int] = 1
    kind: ClassVar[str] = "image"

    def __init__(self, *, side: int | None = None, mode: str | None = None) -> None:
        self._side = None if side is None else whole_number("side", side, least=LEAST_SIDE)
        if mode is not None and mode not in CHANNELS:
            raise SettingError(f"mode = {mode!r} is not known; available: L (grey), RGB (colour)")
        self._mode = mode

    def fit(self, blocks: Iterable[Items], *, rng: np.random.Generator) -> Self:
        if self._side is not None and self._mode is not None:
            return self
        images = [_open(data) for data in next((b["image"] for b in blocks if b["image"]), [])[:LOOKED_AT]]
        if not images:
            raise DataError("there is no image in the pool to learn side and mode from; set both or add data")
        median = int(np.median([min(image.size) for image in images]))
        grey = all(image.getbands()[0] in ("1", "L", "I") for image in images)
        self._side = self._side or min(max(median, LEAST_SIDE), MOST_SIDE)
        self._mode = self._mode or ("L" if grey else "RGB")
        return self

    def transform(self, items: Items) -> Matrix:
        if self._side is None or self._mode is None:
            raise SettingError("side and mode are not known yet; set both or fit the encoder first")
        size = (self._side, self._side)
        pixels = np.empty((len(items["image"]), self._side * self._side * CHANNELS[self._mode]), dtype=np.float32)
        for row, data in enumerate(items["image"]):
            image = _open(data).convert(self._mode)
            pixels[row] = np.asarray(image if image.size == size else image.resize(size, resample=2)).ravel()
        pixels /= 255
        return pixels

    def state(self) -> dict[str, NDArray[Any]]:
        return {"side": np.array(self._side), "mode": np.array(self._mode)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        self._side, self._mode = int(state["side"]), str(state["mode"])
        return self


def _open(data: bytes) -> Any:  # Any: PIL is optional, so its types are not known here
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise MissingExtra("reading images", "images") from None
    try:
        return Image.open(BytesIO(data))
    except OSError as error:
        raise DataError(f"an image of {len(data)} bytes cannot be decoded ({error}); ingest the data again") from None
