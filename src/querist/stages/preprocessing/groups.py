"""Rows that say the same, by the key of their normalised content, and what holds of each such group."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.hashing import key64
from querist.core.protocols import Items

Keys = NDArray[np.uint64]
HASH_SIDE = 16


@dataclass(frozen=True)
class Groups:
    """Rows by group: `order` (n,) rows sorted by key; `starts` (g,) where in `order` a group begins."""

    order: NDArray[np.int32]
    starts: NDArray[np.intp]

    @classmethod
    def of(cls, keys: Keys) -> Groups:
        order = np.argsort(keys).astype(np.int32)
        return cls(order, np.flatnonzero(_fresh(keys[order])).astype(np.int32))

    def __len__(self) -> int:
        return len(self.starts)

    def highest(self, values: NDArray[Any]) -> NDArray[Any]:
        """(g,) the highest of each group's values (n,)."""
        return values[:0] if len(values) == 0 else np.maximum.reduceat(values[self.order], self.starts)

    def lowest(self, values: NDArray[Any]) -> NDArray[Any]:
        return values[:0] if len(values) == 0 else np.minimum.reduceat(values[self.order], self.starts)

    def spread(self, per_group: NDArray[Any]) -> NDArray[Any]:
        """(n,) each row's value of its group."""
        values = np.empty(len(self.order), dtype=per_group.dtype)
        values[self.order] = np.repeat(per_group, np.diff(self.starts, append=len(self.order)))
        return values


def group_keys(items: Items) -> Keys:
    """(n_items,) equal for items that are the same after normalisation."""
    if "text" in items:
        return _keys([text_key(text) for text in items["text"]])
    if "image" in items:
        return _keys([image_key(image) for image in items["image"]])
    return _keys([repr(values).encode() for values in zip(*items.values(), strict=True)])


def conflicts(groups: Groups, labels: NDArray[np.int32]) -> tuple[int, int]:
    """Groups that carry more than one label, and the labeled rows in them; `labels` (n,) with -1 unknown."""
    lowest = groups.lowest(np.where(labels < 0, np.iinfo(labels.dtype).max, labels))
    torn = (groups.highest(labels) >= 0) & (groups.highest(labels) != lowest)
    return int(torn.sum()), int((groups.spread(torn) & (labels >= 0)).sum())


def n_near_duplicates(keys: Keys, variants: NDArray[np.uint32]) -> int:
    """Different contents beyond the first in each group; `variants` (n,) are check sums of the contents."""
    mixed = variants.astype(np.uint64)
    mixed <<= np.uint64(32)
    mixed ^= keys
    return _n_different(mixed) - _n_different(keys.copy())


def _n_different(keys: Keys) -> int:
    keys.sort()  # in place, and not np.unique: tens of millions of keys, a tenth of its time
    return int(_fresh(keys).sum())


def _fresh(ordered: Keys) -> NDArray[np.bool_]:
    fresh = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=fresh[1:])
    return fresh


_ASCII = bytes(ord(chr(c).lower()) if chr(c).isalnum() else ord(" ") for c in range(128)) + bytes(128)


class _Alphabet(dict[int, str]):
    """Letters, their marks and numbers of any script stay; all else parts words. Filled as characters are met."""

    def __missing__(self, code: int) -> str:
        kept = chr(code) if unicodedata.category(chr(code))[0] in "LMN" else " "
        self[code] = kept
        return kept


_alphabet = _Alphabet()


def text_key(text: str) -> bytes:
    """Casefolded letters and digits, words parted by one space; the text itself when none remain (emoji)."""
    if text.isascii():
        plain = b" ".join(text.encode().translate(_ASCII).split())
    else:
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        plain = " ".join(folded.translate(_alphabet).split()).encode()
    return plain or b"\0" + re.sub(r"\s+", " ", text).strip().encode()


def image_key(content: bytes) -> bytes:
    """Difference hash (16 x 16 bits: is a pixel brighter than its left neighbour) with the size's powers of two.

    Images without any edge are told apart by their bytes. After Krawetz, 2013 ("Kind of like that").
    """
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        width, height = image.size
        image.draft("L", (4 * HASH_SIDE, 4 * HASH_SIDE))
        grey = image.convert("L").resize((HASH_SIDE + 1, HASH_SIDE), Image.Resampling.BOX)
        pixels = np.asarray(grey, dtype=np.int16)
    bits = pixels[:, 1:] > pixels[:, :-1]
    if not bits.any():
        return content
    return np.packbits(bits).tobytes() + bytes([width.bit_length(), height.bit_length()])


def _keys(contents: Sequence[bytes]) -> Keys:
    return np.fromiter((key64(content) for content in contents), np.uint64, len(contents))
