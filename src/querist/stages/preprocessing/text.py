"""Text steps: str -> str."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from functools import partial

TAG = re.compile(r"(<!--|-->|</?[a-zA-Z][^<>]*>|<![a-zA-Z][^<>]*>)")
TAG_NAME = re.compile(r"</?([a-zA-Z]+)")
# Control characters but tab and line ends; zero-width space, word joiner, marks of direction, byte order mark. The
# zero-width joiners stay: Persian, the Indic scripts and emoji need them.
CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
URL = re.compile(r"(?:https?://|www\.)[^\s<>\"]+", re.IGNORECASE)
USER = re.compile(r"(?<![\w@.])@\w+")
EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.)+[a-zA-Z]{2,63}\b")
NUMBER = re.compile(r"(?<!\w)[+-]?\d+(?:[.,]\d+)*(?!\w)")


def unicode(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def strip_html(text: str) -> str:
    """Text without tags, comments, scripts and styles, entities resolved; linear in the length."""
    if "<" in text:
        text = _without_tags(text)
    return html.unescape(text) if "&" in text else text


def control(text: str) -> str:
    return text if text.isprintable() else CONTROL.sub("", text)


def whitespace(text: str) -> str:
    """One space between words, one line break between lines that hold something."""
    if "\n" not in text and "\r" not in text:
        return " ".join(text.split())
    return "\n".join(filter(None, (" ".join(line.split()) for line in text.splitlines())))


def mask(pattern: re.Pattern[str], text: str, *, token: str) -> str:
    return pattern.sub(lambda _: token, text)


def masker(pattern: re.Pattern[str]) -> Callable[..., str]:
    return partial(mask, pattern)


def _without_tags(text: str) -> str:
    kept: list[str] = []
    skipped: list[str] = []
    until = ""
    for part in TAG.split(text):
        if until:
            closed = part == until or part.lower().startswith(until)
            if closed:
                until = ""
                skipped.clear()
            else:
                skipped.append(part)
        elif part == "<!--":
            until = "-->"
        elif TAG.fullmatch(part):
            name = TAG_NAME.match(part)
            if part[1] != "/" and name and name[1].lower() in ("script", "style"):
                until = f"</{name[1].lower()}"
            kept.append(" ")
        else:
            kept.append(part)
    return "".join(kept + skipped)  # what never closed was no comment
