"""Numbers and times as people of a language write them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

UNKNOWN = "–"


def number(value: float | None, digits: int = 0, *, language: str) -> str:
    if value is None:
        return UNKNOWN
    written = f"{value:,.{digits}f}"
    return written.translate(str.maketrans(",.", ".,")) if language == "de" else written


def percent(share: float | None, digits: int = 0, *, language: str) -> str:
    if share is None:
        return UNKNOWN
    return number(100 * share, digits, language=language) + ("\N{NO-BREAK SPACE}%" if language == "de" else "%")


def moment(at: str) -> str:
    """An ISO time in UTC, to the minute."""
    return f"{at[:10]} {at[11:16]} UTC"


def ago(at: str, now: datetime, words: Mapping[str, str]) -> str:
    """How long a time has passed or will pass, in the largest unit that says it well."""
    minutes = abs((now - datetime.fromisoformat(at)).total_seconds()) / 60
    if minutes < 60:
        return words["lead_minutes"].format(n=round(minutes))
    hours = minutes / 60
    return words["lead_hours"].format(n=round(hours)) if hours < 48 else words["lead_days"].format(n=round(hours / 24))
