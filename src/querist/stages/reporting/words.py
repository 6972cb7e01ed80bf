"""Figures as a reader sees them: thousands separated, intervals in words, times to the minute."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

UNKNOWN = "cannot tell yet"
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)

# A line break would end a table's row, and marks that turn the direction of writing make text look like another.
_BREAKS = re.compile("[\\s\x85\u2028\u2029]+")
_TURNS = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def printable(text: str) -> str:
    """Without characters that XML, and so SVG and slides, cannot hold, and those that turn the direction of writing."""
    return _UNPRINTABLE.sub("", text)


def one_line(text: str) -> str:
    """As a terminal or a cell shows it: without line breaks, controls, and marks that make text look like another."""
    return _TURNS.sub("", _BREAKS.sub(" ", printable(text))).strip()


def in_ingests(data: Mapping[str, Any]) -> str:
    """What to say after counts of rows that several ingests read."""
    return f", in {data['ingests']} ingests" if data["ingests"] > 1 else ""


def count(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.0f}"


def figure(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3f}"


def percent(share: float | None) -> str:
    return UNKNOWN if share is None else f"{share:.0%}"


def money(amount: float | None, currency: str) -> str:
    if amount is None:
        return UNKNOWN
    return f"{currency} {amount:,.0f}" if abs(amount) >= 20 else f"{currency} {amount:,.2f}"


def hours(value: float | None) -> str:
    """In the unit that says it well: seconds, minutes or hours."""
    if value is None:
        return UNKNOWN
    if value < 1 / 60:
        return f"{3600 * value:.0f} seconds"
    if value < 1:
        return f"{60 * value:.0f} minutes"
    return f"{value:,.0f} hours" if value >= 10 else f"{value:.1f} hours"


def seconds(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.1f} s"


def interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return figure(value)
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def of_budget(spent: str, budget: str | None) -> str:
    return spent if budget is None else f"{spent} of {budget}"


def moment(at: str) -> str:
    """An ISO time in UTC, to the minute."""
    return f"{at[:10]} {at[11:16]} UTC"


def named(metric: str) -> str:
    """A metric as people write it: macro-F1, ROC-AUC, recall of spam."""
    kind, _, label = metric.partition(":")
    return f"{NAMES.get(kind, kind)} of {label}" if label else NAMES.get(kind, kind.replace("_", " "))


NAMES = {
    "macro_f1": "macro-F1",
    "micro_f1": "micro-F1",
    "weighted_f1": "weighted F1",
    "samples_f1": "F1 of items",
    "hamming_loss": "Hamming loss",
    "f1": "F1",
    "roc_auc": "ROC-AUC",
    "log_loss": "log loss",
    "cohen_kappa": "Cohen's kappa",
    "mcc": "Matthews correlation",
    "ece": "calibration error",
    "ece_limit": "calibration error that chance explains",
    "brier": "Brier score",
}
