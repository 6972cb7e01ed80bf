"""Text files of any encoding, plain or gzipped, where bytes that do not decode spoil one row and not the file."""

from __future__ import annotations

import codecs
import gzip
import io
import logging
import re
from pathlib import Path
from typing import BinaryIO, cast

from querist.core.errors import SettingError

SAMPLE_BYTES = 1 << 20
GUESS_BYTES = 1 << 16
BROKEN = re.compile("[\ud800-\udfff]")
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
NEARLY_AS_LIKELY = 0.8
"""Share of the best guess's confidence with which cp1252 is taken: most that looks odd is Western text with signs."""
log = logging.getLogger(__name__)


def open_text(source: Path, encoding: str = "auto") -> io.TextIOWrapper:
    """The file as text with line ends untouched; undecodable bytes become lone surrogates, which BROKEN finds."""
    check_encoding(encoding)
    if encoding == "auto":
        encoding = detect_encoding(source)
    return io.TextIOWrapper(_open_bytes(source), encoding=encoding, errors="querist.mark", newline="")


def check_encoding(encoding: str) -> None:
    """Raises SettingError unless it is "auto" or a text encoding."""
    try:
        if encoding != "auto":
            "a".encode(encoding)
    except (LookupError, ValueError):
        raise SettingError(
            f"data.encoding = {encoding!r} is no text encoding Python knows; use auto, utf-8, utf-16, cp1252, latin-1 "
            "or another of https://docs.python.org/3/library/codecs.html#standard-encodings"
        ) from None


def is_broken(text: str) -> bool:
    return not text.isascii() and BROKEN.search(text) is not None


def detect_encoding(source: Path) -> str:
    """Byte order mark, else UTF-16 or UTF-8 if the first megabyte is (nearly) that, else a guess, which is logged."""
    with _open_bytes(source) as file:
        sample = file.read(SAMPLE_BYTES)
    for mark, name in BYTE_ORDER_MARKS:
        if sample.startswith(mark):
            return name
    zeros = {"utf-16-le": sample[1::2].count(0), "utf-16-be": sample[::2].count(0)}
    few, many = sorted(zeros.values())
    if many > len(sample) / 4 and few < many / 8:  # there every other byte of most letters is 0, and hardly any other
        return max(zeros, key=zeros.__getitem__)
    if _is_utf8(sample):
        return "utf-8"
    guess = _guess(sample)
    log.warning("%s is not UTF-8; reading it as %s, a guess: set data.encoding to be sure", source, guess)
    return guess


def _is_utf8(sample: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")(errors="querist.mark")
    text = decoder.decode(sample)
    broken = len(BROKEN.findall(text))
    # A few broken rows in a UTF-8 file must not turn all its other accents into mojibake.
    return broken == 0 or sum(not c.isascii() for c in text) > 10 * broken


def _guess(sample: bytes) -> str:
    """The likeliest encoding; cp1252 where that is about as likely, or where a single sign is all there is to go by."""
    from chardet import EncodingEra, detect_all

    telling = b"\n".join(line for line in sample.splitlines() if not line.isascii())[:GUESS_BYTES]
    if len({byte for byte in telling if byte > 127}) < 2:
        return "cp1252"
    guesses = detect_all(telling, encoding_era=EncodingEra.MODERN_WEB | EncodingEra.LEGACY_ISO)
    likely = {str(guess["encoding"]): guess["confidence"] for guess in guesses if guess["encoding"] is not None}
    best = max(likely, key=likely.__getitem__, default="cp1252")
    western = likely.get("Windows-1252", 0.0)
    return "cp1252" if western >= NEARLY_AS_LIKELY * likely.get(best, 0.0) else best.lower()


def _open_bytes(source: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(source, "rb")) if source.suffix == ".gz" else source.open("rb")


def _mark(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error("querist.mark", _mark)
